/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a gradient's rule sees, and how it makes nodes: an expression of calls, each of which appends a node and gives its
 * first output. The first failure stays in k->rc; every later call then does nothing and gives NULL, so that a rule need not
 * look.
 *
 * Adding an operator: a function and a row in the file of its family; families are listed in grad_families.h. A test
 * compares it with differences: tests/unit/train/grad_rules.c. */
#ifndef MQ_TRAIN_GRAD_BUILD_H
#define MQ_TRAIN_GRAD_BUILD_H

#include "base/compiler.h"
#include "graph/graph.h"
#include "ops/grad_ops.h"

typedef struct mq_grad {
    mq_graph *g;
    mq_node *n;          /* the operator */
    mq_value *const *dy; /* by output: d loss / d output; NULL: the loss does not depend on it */
    const bool *wants;   /* by input */
    mq_value **dx;       /* by input: the rule's result */
    unsigned flat;       /* bit i: input i has a derivative of 0 (almost) everywhere; what is neither in dx is refused */
    mq_dtype dtype;      /* of numbers the rule makes: the type of the first input that wants a gradient */
    const char *base;    /* of new names */
    mq_status rc;
    mq_error *err;
} mq_grad;

typedef struct mq_grad_rule {
    const char *domain, *op; /* normalized domain */
    void (*fn)(mq_grad *k);
} mq_grad_rule;

/* ---- looking ------------------------------------------------------------------------------------------------------- */

/* Input i; NULL: absent. */
mq_value *mq_grad_in(const mq_grad *k, size_t i);
/* Output i, which gets a name when it has none. */
mq_value *mq_grad_out(mq_grad *k, size_t i);
bool mq_grad_wants(const mq_grad *k, size_t i);
/* The gradient of output i; zeros when the loss does not depend on it. */
mq_value *mq_grad_dy(mq_grad *k, size_t i);
/* The rank of v; when it is not known the rule is refused, and the result is -1. */
int mq_grad_rank(mq_grad *k, const mq_value *v);
/* The elements of a constant list of integers, n of them, in the arena; NULL: v is none (or absent). */
const int64_t *mq_grad_const_ints(const mq_grad *k, const mq_value *v, size_t *n);
/* MQ_ERR_UNSUPPORTED: the operator's gradient exists, but not like this. */
void mq_grad_refuse(mq_grad *k, const char *why);

/* ---- making -------------------------------------------------------------------------------------------------------- */

/* A node of ai.onnx ("" domain) or of the engine's own operators, with n_out outputs: NULL when something has failed. like:
 * whose attributes it takes (may be NULL). Outputs are the node's outputs. */
mq_node *mq_grad_node(mq_grad *k, const char *domain, const char *op, const mq_node *like, mq_value *const *in, size_t n_in,
                      size_t n_out);
/* Attributes of a node just made; n may be NULL. The first output, for the end of an expression. */
mq_value *mq_grad_set_int(mq_grad *k, mq_node *n, const char *name, int64_t v);
mq_value *mq_grad_set_ints(mq_grad *k, mq_node *n, const char *name, const int64_t *v, size_t count);
mq_value *mq_grad_set_string(mq_grad *k, mq_node *n, const char *name, const char *v);
/* The first output; NULL for NULL. */
mq_value *mq_grad_first(const mq_node *n);

/* The same without attributes, from a list of inputs. */
#define mq_grad_make(k, domain, op, like, n_out, ...) \
    mq_grad_node(k, domain, op, like, (mq_value *[]){ __VA_ARGS__ }, MQ_ARRAY_LEN(((mq_value *[]){ __VA_ARGS__ })), n_out)
#define mq_grad_op(k, op, ...) mq_grad_first(mq_grad_make(k, "", op, NULL, 1, __VA_ARGS__))
#define mq_grad_own(k, op, ...) mq_grad_first(mq_grad_make(k, MQ_GRAD_DOMAIN, op, NULL, 1, __VA_ARGS__))

/* A scalar of the rule's type. */
mq_value *mq_grad_number(mq_grad *k, double v);
/* A list of int64, and a scalar. */
mq_value *mq_grad_ints(mq_grad *k, const int64_t *v, size_t n);
mq_value *mq_grad_int(mq_grad *k, int64_t v);
/* v * by */
mq_value *mq_grad_scale(mq_grad *k, mq_value *v, double by);
/* 1 - v, and v * v */
mq_value *mq_grad_one_minus(mq_grad *k, mq_value *v);
mq_value *mq_grad_square(mq_grad *k, mq_value *v);
/* Where(condition, a, b) with a or b NULL for 0. */
mq_value *mq_grad_choose(mq_grad *k, mq_value *condition, mq_value *a, mq_value *b);
/* v (bool or a number) in the rule's type. */
mq_value *mq_grad_cast(mq_grad *k, mq_value *v);
/* The shape of v, an input or output of k->n (or any value made before it), as a list of int64: a constant where all of it
 * is known. Asked for beside k->n, so that v need not stay until then. */
mq_value *mq_grad_shape(mq_grad *k, mq_value *v);
/* v in the shape of like, which is as in mq_grad_shape. */
mq_value *mq_grad_reshape(mq_grad *k, mq_value *v, mq_value *like);
/* v with these dims (0: as it is, -1: the rest). */
mq_value *mq_grad_reshape_to(mq_grad *k, mq_value *v, const int64_t *dims, size_t n);
mq_value *mq_grad_zeros(mq_grad *k, mq_value *like);
/* (elements of a) / (elements of b), in the rule's type. */
mq_value *mq_grad_count_ratio(mq_grad *k, mq_value *a, mq_value *b);
/* Reduce*(v) over these axes (a list), keeping them. */
mq_value *mq_grad_reduce(mq_grad *k, const char *op, mq_value *v, mq_value *axes);
/* v transposed by perm. */
mq_value *mq_grad_transpose(mq_grad *k, mq_value *v, const int64_t *perm, size_t n);

/* ---- giving -------------------------------------------------------------------------------------------------------- */

/* Input i's gradient is v; nothing when it wants none. */
void mq_grad_give(mq_grad *k, size_t i, mq_value *v);
/* The same for an operator that broadcasts: v has the shape of output 0, and is summed over what input i repeats. */
void mq_grad_give_summed(mq_grad *k, size_t i, mq_value *v);
/* Input 0's gradient is dy * by (output 0's): for what works element by element. */
void mq_grad_give_product(mq_grad *k, mq_value *by);
/* The same for an operator that picks or repeats elements of input 0 and leaves them as they are: it is run once more, on
 * their numbers, and GatherGrad adds up where they say (grad_index.c). */
void mq_grad_give_picked(mq_grad *k);

#endif
