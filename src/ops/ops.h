/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The operator table: what every operator of every version takes and gives (schema), how types and shapes flow through it
 * (rule), how a node moves one version up (adapter), and what it means for counting and quantizing (traits).
 *
 * Adding an operator: make schema.inc anew from the specification (scripts/make_schemas.py), add a row to the file of its
 * family (src/ops/<family>.c), and, where a version changed its meaning, a row to src/ops/adapt_<family>.c.
 * Nothing else. Families are listed once, in families.h. */
#ifndef MQ_OPS_OPS_H
#define MQ_OPS_OPS_H

#include "graph/graph.h"

/* ---- schemas ------------------------------------------------------------------------------------------------------ */

/* A set of types: bit (1 << mq_dtype) for tensor(dtype); the bits below for the other kinds. */
typedef uint64_t mq_type_set;
#define MQ_TYPES_SEQUENCE ((mq_type_set)1 << 40)
#define MQ_TYPES_OPTIONAL ((mq_type_set)1 << 41)
#define MQ_TYPES_MAP ((mq_type_set)1 << 42)
#define MQ_TYPES_SPARSE ((mq_type_set)1 << 43)
#define MQ_TYPES_OTHER ((mq_type_set)1 << 44)

#define MQ_MAX_TYPE_VARS 32

typedef enum mq_param_option { MQ_PARAM_SINGLE, MQ_PARAM_OPTIONAL, MQ_PARAM_VARIADIC } mq_param_option;

typedef struct mq_op_param {
    const char *name;
    mq_type_set types;
    uint8_t option;      /* mq_param_option */
    int8_t var;          /* type variable, below MQ_MAX_TYPE_VARS: parameters with the same number >= 0 have the same
                            type; -1: fixed type */
    bool heterogeneous;  /* variadic whose members may differ */
} mq_op_param;

typedef struct mq_op_attr {
    const char *name;
    uint8_t type; /* mq_attr_type */
    bool required;
} mq_op_attr;

typedef struct mq_op_schema {
    const char *domain; /* normalized: "" for ai.onnx */
    const char *name;
    int since;          /* first version of the domain that has this form */
    bool deprecated;    /* gone from this version on */
    bool extension;     /* of ONNX Runtime: not in the ONNX specification (in domain "" too) */
    uint16_t min_inputs, max_inputs, min_outputs, max_outputs; /* max UINT16_MAX: any number */
    uint16_t n_params_in, n_params_out, n_attrs;
    const mq_op_param *in, *out;
    const mq_op_attr *attrs;
} mq_op_schema;

/* The newest schema with since <= version; NULL: unknown operator. A deprecated one is returned as such. */
const mq_op_schema *mq_schema_find(const char *domain, const char *op_type, int64_t version);
/* Of a node, by the opset its graph imports; NULL: unknown operator, or its domain is not imported. */
const mq_op_schema *mq_node_schema(const mq_node *n);
/* The formal parameter of input or output i (the last one repeats when variadic); NULL: there is no such. */
const mq_op_param *mq_schema_input(const mq_op_schema *s, size_t i);
const mq_op_param *mq_schema_output(const mq_op_schema *s, size_t i);
/* Does the set have this type? Unknown types are in every set. */
bool mq_type_set_has(mq_type_set set, const mq_type *t);
/* Newest opset of ai.onnx in the table (28 for onnx 1.23.2). */
int mq_schema_newest_opset(void);
/* Every schema, sorted by domain, name, since. */
const mq_op_schema *mq_schemas(size_t *n);

/* ---- rules: types and shapes -------------------------------------------------------------------------------------- */

/* What a rule works with. Before it runs, each output's type is set from the schema where a type variable or a single
 * allowed type says it (rank unknown). The rule adds shapes; what it leaves unknown stays unknown. */
typedef struct mq_infer {
    const mq_node *node;
    const mq_op_schema *schema;
    int64_t version;  /* opset in force for the node's domain */
    mq_model *model;  /* its arena takes what lives on */
    mq_type **out;    /* node->n_outputs of them, never NULL; kind MQ_TYPE_UNKNOWN when not known yet */
    mq_dim **known;   /* per output: contents, set by mq_out_known, initially NULL */
    size_t *n_known;
    /* For the bodies of If, Loop and Scan. The rule sets v->type (and v->known) of g's inputs first, anew for each call:
     * types in the model's arena, NULL for unknown; declared types are merged in by the call. It clears and infers all
     * other values of g; then the rule reads v->type of g's outputs (NULL: unknown; an output may be a value of a scope
     * around g). A body may be inferred several times (a loop's shapes until they settle): the last call is what stays,
     * and a finding is told once. MQ_OK also when nesting is too deep or too much work: then the outputs are unknown. */
    mq_status (*infer_graph)(struct mq_infer *in, mq_graph *g, mq_error *err);
    void *state;      /* of infer_graph */
    mq_error *err;
} mq_infer;

/* A rule. MQ_OK also when little is known. MQ_ERR_INPUT (mq_fail(in->err, ...) with what was found and what is allowed)
 * when the inputs cannot be right; the caller adds the node to the sentence and goes on with unknown outputs.
 * Rules never trust sizes: use the checked helpers below. */
typedef mq_status (*mq_infer_fn)(mq_infer *in);

/* How a node's weights are to be treated by the quantizer (which constant inputs are weights). */
typedef struct mq_quant_traits {
    int8_t weight_input; /* index of the weight among the inputs; -1: the operator has none */
    int8_t weight_input2; /* a second one (LSTM's R); -1: none */
    int8_t channel_axis; /* axis of output channels in the weight; -1 last axis; MQ_AXIS_GEMM: 0 with transB, else 1;
                            MQ_AXIS_NONE: per tensor only */
    bool embedding;      /* the weight is looked up by rows (Gather) */
} mq_quant_traits;
#define MQ_AXIS_GEMM 100
#define MQ_AXIS_NONE 101

/* Multiply-accumulates of a node with known shapes; -1: not known. An operator without the function counts 0. */
typedef int64_t (*mq_macs_fn)(const mq_node *n);

typedef struct mq_op_rule {
    const char *domain, *name; /* normalized domain */
    mq_infer_fn infer;         /* NULL: only the types that the schema gives */
    mq_macs_fn macs;
    const mq_quant_traits *quant; /* NULL: nothing to quantize */
} mq_op_rule;

/* NULL: no row. */
const mq_op_rule *mq_rule_find(const char *domain, const char *op_type);

/* Infers types and shapes of the whole model into value->type and value->known, functions inlined by call, subgraphs
 * included; declared types are merged in (what is declared wins where both are known and differ; that is a finding).
 * Never fails for what a graph says: each conflict is handed to `finding` (may be NULL) with its node, NULL for a graph's
 * own input or initializer. An initializer that a caller may override counts as what it says. Values of function bodies
 * are left without types: they differ from call to call. Running it again starts anew.
 * Errors: MQ_ERR_NOMEM. */
typedef void (*mq_infer_finding)(void *user, const mq_node *node, const char *text);
mq_status mq_infer_model(mq_model *m, mq_infer_finding finding, void *user, mq_error *err);

/* Sets the shape of an input before inferring (what --shape and --dim do): changes v->declared in memory.
 * dims: rank of them. */
mq_status mq_value_declare_shape(mq_value *v, int rank, const mq_dim *dims, mq_error *err);

/* ---- what rules use (src/ops/infer_util.c) ------------------------------------------------------------------------ */

/* Input i's type; NULL: absent or unknown. */
const mq_type *mq_in_type(const mq_infer *in, size_t i);
/* Is input i present? */
bool mq_in_has(const mq_infer *in, size_t i);
/* Rank of input i; -1: unknown (or not a tensor). */
int mq_in_rank(const mq_infer *in, size_t i);
/* Its dims; NULL with unknown rank (for rank 0 a valid pointer). */
const mq_dim *mq_in_dims(const mq_infer *in, size_t i);
mq_dtype mq_in_dtype(const mq_infer *in, size_t i); /* MQ_UNDEFINED: unknown */
/* The integer contents of input i by constant arithmetic (elements may be unknown or symbolic); NULL: not known.
 * Elements are not dims: every number counts there, -1 too, so an element that is not known is MQ_ELEM_UNKNOWN (with a
 * symbol when it has one), never MQ_DIM_UNKNOWN. Convert with mq_elem_of_dim and mq_dim_of_elem. */
#define MQ_ELEM_UNKNOWN ((mq_dim){ .value = INT64_MIN })
bool mq_elem_known(mq_dim e);       /* a number, negative ones too */
mq_dim mq_elem_of_dim(mq_dim d);    /* what Shape gives for a dim */
mq_dim mq_dim_of_elem(mq_dim e);    /* a dim of that size; unknown for negative numbers */
const mq_dim *mq_in_known(const mq_infer *in, size_t i, size_t *n);
/* The same, but only when every element is a number: copied into the arena; NULL otherwise. */
const int64_t *mq_in_ints(const mq_infer *in, size_t i, size_t *n);

/* Output i becomes a tensor of this shape (dims copied); the element type stays what the schema gave unless dtype is not
 * MQ_UNDEFINED. rank -1: unknown. Ignored when the node does not ask for output i. */
mq_status mq_out_shape(mq_infer *in, size_t i, int rank, const mq_dim *dims);
mq_status mq_out_dtype(mq_infer *in, size_t i, mq_dtype dtype);
/* Output i has the shape (and, if its type is not known yet, element type) of input j. */
mq_status mq_out_like(mq_infer *in, size_t i, size_t j);
/* Output i is exactly this type (copied; sequences, optionals, maps). */
mq_status mq_out_type(mq_infer *in, size_t i, const mq_type *t);
/* Output i is an integer tensor with these contents (copied; n up to MQ_KNOWN_MAX, larger ones are dropped). */
#define MQ_KNOWN_MAX 1024
mq_status mq_out_known(mq_infer *in, size_t i, const mq_dim *vals, size_t n);

/* Normalizes an axis of a tensor of that rank into 0..rank-1; MQ_ERR_INPUT when it is outside. */
mq_status mq_norm_axis(mq_infer *in, int64_t axis, int rank, int *out);

/* Dim arithmetic that keeps symbols where it can ("batch" * 1 is "batch", "batch" * 12 is "12*batch", unknown otherwise);
 * overflow gives unknown. */
mq_dim mq_dim_mul(mq_infer *in, mq_dim a, mq_dim b);
mq_dim mq_dim_add(mq_infer *in, mq_dim a, mq_dim b);
mq_dim mq_dim_sub(mq_infer *in, mq_dim a, mq_dim b);
/* Rounded towards zero; unknown for division by 0. */
mq_dim mq_dim_div(mq_infer *in, mq_dim a, mq_dim b);
/* The same for elements of contents (negative numbers count). */
mq_dim mq_elem_mul(mq_infer *in, mq_dim a, mq_dim b);
mq_dim mq_elem_add(mq_infer *in, mq_dim a, mq_dim b);
mq_dim mq_elem_sub(mq_infer *in, mq_dim a, mq_dim b);
mq_dim mq_elem_div(mq_infer *in, mq_dim a, mq_dim b);
/* "[1,batch,?]"; rank -1: "[...]". */
char *mq_dims_text(int rank, const mq_dim *dims, char *buf, size_t size);
/* Of two dims that must be equal: the better known. *conflict set true when both are known and differ. */
mq_dim mq_dim_merge(mq_dim a, mq_dim b, bool *conflict);
/* NumPy broadcasting of n shapes (ONNX, Broadcasting): rank and dims (arena). MQ_ERR_INPUT when they do not fit. */
mq_status mq_broadcast(mq_infer *in, size_t n, const mq_dim *const *dims, const int *ranks, int *out_rank,
                       mq_dim **out_dims);

/* ---- adapters: one version up ------------------------------------------------------------------------------------- */

/* Rewrites node n, which is valid in version `to`-1 of its domain, into the form of version `to`. May add nodes and
 * constants beside it, or replace it. MQ_ERR_UNSUPPORTED with the reason when it cannot be done without loss. */
typedef mq_status (*mq_adapt_fn)(mq_node *n, int to, mq_error *err);

/* Could anything in n stop its way to `to`? Looks only: n stands as the file has it, in any older version.
 * MQ_ERR_UNSUPPORTED with the reason. */
typedef mq_status (*mq_adapt_check_fn)(const mq_node *n, int to, mq_error *err);

typedef struct mq_op_adapter {
    const char *name; /* of ai.onnx */
    int to;
    mq_adapt_fn adapt;       /* NULL: the new version only allows more; nothing to do */
    mq_adapt_check_fn check; /* NULL: always possible */
} mq_op_adapter;

/* Raises ai.onnx of the model (nodes of all graphs and of functions that import ai.onnx) to `version`, version by version;
 * the IR version is raised with it as far as the specification's table asks. A node whose schema did not change passes. A
 * model that does not import ai.onnx does so afterwards.
 * Errors: MQ_ERR_UNSUPPORTED listing the nodes that stop it (found before anything is changed where no adapter exists);
 * a version below the model's is MQ_ERR_UNSUPPORTED. hooks may be NULL. */
mq_status mq_opset_raise(mq_model *m, int version, const mq_hooks *hooks, mq_error *err);

/* Is an operator of ai.onnx, as it stands in opset `version`, read the same way in the newest? False when it is unknown. */
bool mq_op_is_newest(const char *op_type, int64_t version);

/* Did version `to` of the operator only allow more than the version before it? False when it brought no form of its own, or
 * one that reads nodes otherwise. */
bool mq_op_only_grew(const char *op_type, int to);

/* The lowest IR version that the specification allows for an opset of ai.onnx. */
int mq_ir_for_opset(int opset);

#endif
