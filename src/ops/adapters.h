/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Version adapters: the families of rows, and what adapters share. Private to src/ops.
 *
 * Adding a version of an operator: a row in the family's file, sorted by name and then version. An adapter writes the
 * node in the form that version `to` gives it; nodes it adds beside it are in that form too. What could stop it is told
 * by the row's check, which looks at the node before anything in the model has changed. */
#ifndef MQ_OPS_ADAPTERS_H
#define MQ_OPS_ADAPTERS_H

#include "ops/ops.h"

#define MQ_ADAPTER_FAMILIES(X) \
    X(control)                 \
    X(elementwise)             \
    X(image)                   \
    X(misc)                    \
    X(nn)                      \
    X(quant)                   \
    X(reduce)                  \
    X(shape)

#define MQ_DECLARE_ADAPTERS(family)                   \
    extern const mq_op_adapter mq_adapters_##family[]; \
    extern const size_t mq_adapters_##family##_n;
MQ_ADAPTER_FAMILIES(MQ_DECLARE_ADAPTERS)
#undef MQ_DECLARE_ADAPTERS

/* The row for an operator's step to version `to`; NULL: there is none. */
const mq_op_adapter *mq_adapter_find(const char *name, int to);
/* Row i of all, family by family; NULL past the end. */
const mq_op_adapter *mq_adapter_at(size_t i);

/* ---- looking ------------------------------------------------------------------------------------------------------ */

/* The function whose body the graph is or lies in; NULL: none. */
mq_function *mq_graph_function(const mq_graph *g);
/* Input i as a tensor type; NULL: absent, no tensor, not known, or in a function body (whose types differ by call). */
const mq_type *mq_adapt_type(const mq_node *n, size_t i);
mq_dtype mq_adapt_dtype(const mq_node *n, size_t i); /* MQ_UNDEFINED: not known */
/* Input i, NULL when it is absent or past the end. The same for outputs. */
mq_value *mq_adapt_input(const mq_node *n, size_t i);
mq_value *mq_adapt_output(const mq_node *n, size_t i);

/* Checks for rows. No attribute may take its value from the caller of a function. */
mq_status mq_adapt_check_plain(const mq_node *n, int to, mq_error *err);
/* The same, but 'axes' and 'split' may, where each call gives them: they become Constant nodes. */
mq_status mq_adapt_check_lists(const mq_node *n, int to, mq_error *err);
/* The element type of input 0 must be known: MQ_ERR_UNSUPPORTED with its name. */
mq_status mq_adapt_check_dtype(const mq_node *n, mq_error *err);
/* Input 0 may not be of integers (what the older version allowed and the newer one does not). */
mq_status mq_adapt_check_no_integers(const mq_node *n, int to, mq_error *err);

/* ---- changing ----------------------------------------------------------------------------------------------------- */

/* A constant for n, named after it and `what`: an initializer of its graph, in a function body a Constant before n. */
mq_status mq_adapt_const(mq_node *n, const char *what, mq_dtype dtype, int rank, const int64_t *dims, const void *data,
                         mq_value **out, mq_error *err);
/* A list of int64. */
mq_status mq_adapt_ints(mq_node *n, const char *what, const int64_t *v, size_t count, mq_value **out, mq_error *err);
/* A scalar of type float, double, float16 or bfloat16. */
mq_status mq_adapt_scalar(mq_node *n, const char *what, mq_dtype dtype, float v, mq_value **out, mq_error *err);

/* Attribute `attr` (integers) becomes input `index`; nothing when it is absent. */
mq_status mq_adapt_list_to_input(mq_node *n, const char *attr, size_t index, mq_error *err);

/* A node before n with these inputs and one output, which is named after n and `what`. *node may be NULL. */
mq_status mq_adapt_before(mq_node *n, const char *op_type, const char *what, size_t n_in, mq_value *const *in,
                          mq_value **out, mq_node **node, mq_error *err);
/* A node behind output i of n: it makes the value that n made, n makes a new one, which is its first input. */
mq_status mq_adapt_after(mq_node *n, size_t i, const char *op_type, mq_node **node, mq_error *err);
/* Reshape(Shape(x)) behind output 0: it has the shape of x again. */
mq_status mq_adapt_restore_shape(mq_node *n, mq_value *x, mq_error *err);

/* The same node under another operator's name. */
mq_status mq_adapt_rename(mq_node *n, const char *op_type, mq_error *err);
/* Input i becomes absent; its initializer goes when nothing else uses it. */
mq_status mq_adapt_drop_input(mq_node *n, size_t i, mq_error *err);
/* Drops outputs from `first` on. Nobody may use them. */
mq_status mq_adapt_drop_outputs(mq_node *n, size_t first, mq_error *err);

#endif
