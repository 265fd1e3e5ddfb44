/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The graph in memory: model, graphs, nodes, values, attributes, tensors, types.
 *
 * Everything lives in the model's arena and is freed with it; large payloads are references into mapped files or to
 * shared buffers. A value knows its producer and every use of it, uses inside subgraphs included. `origin` members point
 * at the message an object was read from; only src/model looks inside, to write back what nobody here understands.
 * Struct members may be read freely; producers, uses, names and lists change only through the functions below. */
#ifndef MQ_GRAPH_GRAPH_H
#define MQ_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/map.h"
#include "base/vec.h"

typedef struct mq_model mq_model;
typedef struct mq_graph mq_graph;
typedef struct mq_function mq_function;
typedef struct mq_node mq_node;
typedef struct mq_value mq_value;
typedef struct mq_attr mq_attr;
typedef struct mq_tensor mq_tensor;
typedef struct mq_type mq_type;

/* ---- types -------------------------------------------------------------------------------------------------------- */

/* One dimension: a known size, a symbol, or nothing known. */
typedef struct mq_dim {
    int64_t value;      /* >= 0: known; -1: not (declared negative sizes are kept as they are, for the checker) */
    const char *symbol; /* name of an unknown size, NULL when it has none; equal names are equal sizes in a graph */
} mq_dim;

#define MQ_DIM(v) ((mq_dim){ .value = (v) })
#define MQ_DIM_UNKNOWN ((mq_dim){ .value = -1 })

typedef enum mq_type_kind {
    MQ_TYPE_UNKNOWN = 0,
    MQ_TYPE_TENSOR,
    MQ_TYPE_SPARSE_TENSOR,
    MQ_TYPE_SEQUENCE,
    MQ_TYPE_MAP,
    MQ_TYPE_OPTIONAL,
    MQ_TYPE_OPAQUE,
} mq_type_kind;

struct mq_type {
    mq_type_kind kind;
    mq_dtype dtype; /* of a tensor's elements, of a map's keys; MQ_UNDEFINED: unknown */
    int rank;       /* of a tensor; -1: unknown */
    mq_dim *dims;   /* rank of them */
    mq_type *elem;  /* of a sequence, an optional, a map's values */
};

/* ---- tensors ------------------------------------------------------------------------------------------------------ */

/* Where the elements of a tensor are. */
typedef enum mq_storage {
    MQ_STORE_RAW,      /* `data`: packed little-endian bytes, read from raw_data */
    MQ_STORE_FLOATS,   /* the same bytes, read from float_data or double_data (equal to packed when little-endian) */
    MQ_STORE_INT32S,   /* `data` is n_items int32: int32_data, one item per element (per byte of packed sub-byte types) */
    MQ_STORE_INT64S,   /* `data` is n_items int64: int64_data */
    MQ_STORE_UINT64S,  /* `data` is n_items uint64: uint64_data (also holds uint32 elements) */
    MQ_STORE_STRINGS,  /* `strings`, n_items of them */
    MQ_STORE_EXTERNAL, /* in another file: `external` */
    MQ_STORE_MADE,     /* made when it is written: `maker` */
} mq_storage;

typedef struct mq_bytes {
    const void *data;
    size_t n;
} mq_bytes;

/* Where external data lie. */
typedef struct mq_external {
    const char *location; /* relative to the model's folder, '/' between parts */
    uint64_t offset;
    int64_t length; /* -1: not said, up to the end of the file */
} mq_external;

/* A place in the output to put bytes at: write at any offset, from any thread, in any order. */
typedef struct mq_sink mq_sink;
struct mq_sink {
    mq_status (*write_at)(mq_sink *sink, uint64_t offset, const void *data, size_t n, mq_error *err);
};

/* Produces a tensor's packed bytes when the file is written: exactly n_bytes, each once. */
typedef struct mq_maker {
    uint64_t n_bytes;
    mq_status (*make)(void *user, mq_sink *sink, const mq_hooks *hooks, mq_error *err);
    void *user; /* borrowed until the model is freed */
} mq_maker;

struct mq_tensor {
    const char *name; /* "" when it has none */
    mq_dtype dtype;
    int n_dims;
    int64_t *dims; /* as the file says: check with mq_tensor_count */
    mq_storage storage;
    uint16_t fields;   /* bit n: value field number n of the message was not empty; 0 for tensors made here */
    mq_buf *buf; /* holds `data` when not NULL (borrowed: the model keeps the reference) */
    const void *data;
    size_t n_bytes; /* of data, for RAW and FLOATS */
    size_t n_items; /* for INT32S, INT64S, UINT64S, STRINGS */
    const mq_bytes *strings;
    mq_external external;
    const mq_maker *maker;
    mq_model *model;
    const void *origin;
    void *unpacked; /* heap: bytes converted by mq_tensor_bytes from another storage; freed with the model */
};

/* A sparse tensor in coordinate form (ONNX IR specification, SparseTensorProto). */
typedef struct mq_sparse {
    mq_tensor *values;  /* its name is the sparse tensor's name */
    mq_tensor *indices; /* int64, [n] linear or [n, rank] */
    int n_dims;
    int64_t *dims;
    const void *origin;
} mq_sparse;

/* The linear position, in row-major order, of an entry of s with these indices (one, or one per dimension); false: outside.
 * total: elements of the whole shape. */
bool mq_sparse_position(const mq_sparse *s, const int64_t *indices, uint64_t total, uint64_t *position);

/* Number of elements; -1 when a dimension is negative or the product overflows. */
int64_t mq_tensor_count(const mq_tensor *t);
/* Bytes of the packed elements (0 for strings); -1 when they cannot be said. */
int64_t mq_tensor_size(const mq_tensor *t);

/* The packed little-endian elements, mq_tensor_size of them, valid until the model is freed. Maps external files,
 * converts *_data fields (kept). Errors: MQ_ERR_INPUT when bytes are missing or lengths disagree, MQ_ERR_UNSUPPORTED
 * for strings and for MQ_STORE_MADE. Not thread-safe for one tensor (its first call may convert). */
mq_status mq_tensor_bytes(mq_tensor *t, const void **data, mq_error *err);

/* Makes the bytes of a MQ_STORE_MADE tensor now: from then on it is MQ_STORE_RAW. Others stay as they are. */
mq_status mq_tensor_make(mq_tensor *t, const mq_hooks *hooks, mq_error *err);

/* Elements [start, start+n) as float or int64. Same errors. */
mq_status mq_tensor_read_f32(mq_tensor *t, uint64_t start, uint64_t n, float *out, mq_error *err);
mq_status mq_tensor_read_i64(mq_tensor *t, uint64_t start, uint64_t n, int64_t *out, mq_error *err);

/* A new tensor in the model's arena; name and dims are copied. `data` (packed) is copied into the arena; for a large
 * one pass NULL and set buf/data or maker afterwards. NULL when out of memory. */
mq_tensor *mq_tensor_create(mq_model *m, const char *name, mq_dtype dtype, int n_dims, const int64_t *dims,
                            const void *data);

/* ---- attributes --------------------------------------------------------------------------------------------------- */

/* The numbers of AttributeProto.AttributeType. */
typedef enum mq_attr_type {
    MQ_ATTR_UNDEFINED = 0,
    MQ_ATTR_FLOAT = 1,
    MQ_ATTR_INT = 2,
    MQ_ATTR_STRING = 3,
    MQ_ATTR_TENSOR = 4,
    MQ_ATTR_GRAPH = 5,
    MQ_ATTR_FLOATS = 6,
    MQ_ATTR_INTS = 7,
    MQ_ATTR_STRINGS = 8,
    MQ_ATTR_TENSORS = 9,
    MQ_ATTR_GRAPHS = 10,
    MQ_ATTR_SPARSE_TENSOR = 11,
    MQ_ATTR_SPARSE_TENSORS = 12,
    MQ_ATTR_TYPE = 13,
    MQ_ATTR_TYPES = 14,
} mq_attr_type;

struct mq_attr {
    const char *name;
    mq_attr_type type;
    const char *ref; /* in a function body: the function's attribute it takes its value from; else NULL */
    float f;
    int64_t i;
    mq_bytes s;
    size_t n; /* elements of the lists below, 1 for the single forms of t, g, sparse and tp */
    const float *floats;
    const int64_t *ints;
    const mq_bytes *strings;
    mq_tensor **tensors;
    mq_graph **graphs;
    mq_sparse **sparses;
    mq_type **types;
    const void *origin;
};

/* ---- nodes, values, graphs ---------------------------------------------------------------------------------------- */

struct mq_node {
    const char *name; /* "" when it has none */
    const char *op_type;
    const char *domain; /* as written; mq_domain_norm makes "ai.onnx" and "" equal */
    const char *overload;
    mq_value **inputs; /* NULL: an absent optional input */
    size_t n_inputs;
    mq_value **outputs; /* NULL: an output nobody asked for */
    size_t n_outputs;
    mq_attr **attrs;
    size_t n_attrs;
    mq_graph *graph; /* where it stands; NULL once removed */
    mq_node *prev, *next;
    size_t tag; /* scratch of whichever algorithm is running */
    const void *origin;
};

typedef struct mq_use {
    mq_node *node;
    size_t index; /* node->inputs[index] is the value */
} mq_use;

struct mq_value {
    const char *name; /* never empty */
    mq_graph *graph;  /* the scope that defines it (for an undefined one: where it was first named) */
    mq_type *declared; /* what the file says: input, output or value_info; NULL: nothing */
    mq_type *type;     /* the best that is known: declared and inferred together; NULL: nothing */
    mq_dim *known;     /* contents of a small integer tensor of rank 0 or 1, by constant shape arithmetic; else NULL */
    size_t n_known;
    mq_node *producer;
    size_t producer_index; /* producer->outputs[producer_index] is this */
    MQ_VEC(mq_use) uses;   /* by nodes, of inner graphs too */
    mq_tensor *init;       /* dense initializer */
    mq_sparse *sparse;     /* sparse initializer */
    bool is_input;         /* of `graph` */
    size_t n_output_uses;  /* how often it is listed as a graph output (in its own graph or an inner one) */
    bool duplicate;        /* the name was already taken in its graph: not found by name (an invalid graph) */
    size_t tag;            /* scratch of whichever algorithm is running */
    bool redeclared;       /* `declared` has been changed since it was read: written anew */
    const void *origin;    /* ValueInfoProto that declared it */
};

typedef MQ_VEC(mq_value *) mq_value_vec;

/* quantization_annotation: a value's scale and zero point by key ("SCALE_TENSOR", "ZERO_POINT_TENSOR"). Origin only. */
struct mq_graph {
    mq_model *model;
    mq_graph *parent;      /* the scope around it, or NULL */
    mq_node *owner;        /* the node that holds it as an attribute, or NULL */
    mq_function *function; /* whose body it is, or NULL */
    const char *name;
    mq_node *first, *last;
    mq_node *walk; /* where somebody who walks over the nodes goes next; moves on when that node is taken out */
    size_t n_nodes;
    mq_value_vec inputs, outputs;
    mq_value_vec inits;      /* values with init or sparse, dense first, each in file order */
    mq_value_vec value_info; /* declared inner values, in file order */
    mq_value_vec values;     /* every value of this scope, in order of creation */
    mq_map names;            /* name -> mq_value of this scope */
    const void *origin;
};

typedef struct mq_opset {
    const char *domain; /* as written: "", "ai.onnx", "com.microsoft", ... */
    int64_t version;
    const void *origin;
} mq_opset;
typedef MQ_VEC(mq_opset) mq_opset_vec;

struct mq_function {
    const char *domain, *name, *overload;
    mq_opset_vec opsets;
    mq_graph *body; /* its inputs and outputs are the function's */
    size_t n_attrs; /* names of attributes without defaults */
    const char **attrs;
    size_t n_attr_protos; /* attributes with defaults */
    mq_attr **attr_protos;
    mq_function *same_name; /* the next one called so, in another domain or overload */
    const void *origin;
};

/* An entry of metadata_props. */
typedef struct mq_metadata {
    const char *key, *value;
} mq_metadata;

struct mq_model {
    mq_arena *arena;
    const char *path; /* for messages: the file's name or "-" */
    const char *dir;  /* folder of external files, "" for the current one; NULL: none can be opened */
    int64_t ir_version;
    bool has_ir_version;
    const char *producer_name, *producer_version;
    mq_opset_vec opsets;
    mq_graph *graph; /* NULL in an invalid model without one */
    mq_function **functions;
    size_t n_functions;
    mq_map function_names; /* name -> the first function called so; the others follow by same_name */
    MQ_VEC(mq_buf *) bufs;       /* references kept until the model is freed */
    MQ_VEC(mq_model *) joined;   /* models that this one borrows from, freed with it */
    MQ_VEC(const char *) part_files; /* of a model in parts: their paths; path is the list's */
    MQ_VEC(mq_tensor *) tensors; /* with something on the heap to free (unpacked) */
    MQ_VEC(mq_graph *) graphs;   /* every graph, for release and for walking */
    mq_map external;             /* location -> mq_buf of opened external files */
    mq_status (*open_external)(mq_model *m, const char *location, mq_buf **out, mq_error *err); /* set by src/model */
    bool had_external;   /* an initializer was external when the model was read */
    uint64_t file_bytes; /* of the model file as stored, without external data */
    MQ_VEC(mq_metadata) metadata; /* set since the model was read: each wins over the file's of the same key */
    const void *origin;
};

/* ---- model -------------------------------------------------------------------------------------------------------- */

mq_status mq_model_create(mq_model **out, mq_error *err); /* empty: no graph, no opsets */
MQ_API void mq_model_free(mq_model *m);                    /* NULL is fine; public, see mq/model.h */

/* Keeps a reference until the model is freed; the caller's own reference passes to the model (also on failure). */
mq_status mq_model_keep_buf(mq_model *m, mq_buf *buf, mq_error *err);

/* No model has so many domains: only so many imports are looked at. */
#define MQ_MAX_IMPORTS 1000

/* The version of a domain in force for nodes of graph g (its function's imports, else the model's); 0: not imported. */
int64_t mq_opset_of(const mq_graph *g, const char *domain);
mq_status mq_opset_set(mq_model *m, const char *domain, int64_t version, mq_error *err);

/* "" for "" and "ai.onnx"; other domains as they are. */
const char *mq_domain_norm(const char *domain);
/* Is the node the operator op_type of that (normalized) domain? */
bool mq_node_is(const mq_node *n, const char *domain, const char *op_type);
/* Is it one of `count` operators of that domain (NULL: of any)? */
bool mq_node_is_any(const mq_node *n, const char *domain, const char *const *op_types, size_t count);
/* Appends a function (name, domain and overload set; its body may follow). Of two that are the same the first one counts. */
mq_status mq_model_add_function(mq_model *m, mq_function *f, mq_error *err);
/* The model's function that the node calls, or NULL. */
mq_function *mq_node_function(const mq_node *n);
/* The node's name, else its first output's name, else its operator. */
const char *mq_node_label(const mq_node *n);

/* ---- building and editing ----------------------------------------------------------------------------------------
 * Each keeps producers, uses and name tables consistent. Names are copied into the arena. */

mq_graph *mq_graph_create(mq_model *m, mq_graph *parent, mq_node *owner, const char *name); /* NULL: out of memory */

/* The value of that name in g or in a scope around it; NULL when there is none. */
mq_value *mq_graph_find(const mq_graph *g, const char *name);
/* The same in g alone. */
mq_value *mq_graph_find_here(const mq_graph *g, const char *name);

/* A new value of scope g. When the name is taken in g it is marked `duplicate`. NULL: out of memory. */
mq_value *mq_value_create(mq_graph *g, const char *name);
/* The same with a name made unique in the whole model: base, base_1, base_2, ... */
mq_value *mq_value_create_unique(mq_graph *g, const char *base);

/* A name that no value (or node) of the model has: base, base_1, ... in the arena. NULL: out of memory. */
const char *mq_unique_value_name(mq_model *m, const char *base);
const char *mq_unique_node_name(mq_model *m, const char *base);

mq_status mq_graph_add_input(mq_graph *g, mq_value *v, mq_error *err);
mq_status mq_graph_add_output(mq_graph *g, mq_value *v, mq_error *err);
/* Takes v off the output list, once; nothing when it is not on it. */
void mq_graph_remove_output(mq_graph *g, mq_value *v);
void mq_graph_clear_outputs(mq_graph *g);
/* Takes v off the input list (it stays a value); nothing when it is not on it. */
void mq_graph_remove_input(mq_graph *g, mq_value *v);
/* Initializers that are inputs, too, are inputs no more: how many. */
size_t mq_graph_unlist_inits(mq_graph *g);
/* Initializers that nobody uses are none any more; inputs and outputs stay. */
void mq_graph_drop_unused_inits(mq_graph *g);
/* Makes t the initializer of v (t's name becomes v's name), appended to g's list when v had none. */
mq_status mq_value_set_init(mq_value *v, mq_tensor *t, mq_error *err);
/* A constant holds t from now on: an initializer, or what a node of type Constant gives. */
mq_status mq_value_set_constant(mq_value *v, mq_tensor *t, mq_error *err);
/* As mq_value_set_init with a sparse tensor, whose values take v's name. */
mq_status mq_value_set_sparse(mq_value *v, mq_sparse *s, mq_error *err);
/* An input or output has another element type from now on, and is declared so when it is written. */
mq_status mq_value_retype(mq_value *v, mq_dtype dtype, mq_error *err);
/* v is no initializer any more. */
void mq_value_clear_init(mq_value *v);

/* A new node in g before `before` (NULL: at the end), without inputs and outputs. NULL: out of memory. */
mq_node *mq_node_create(mq_graph *g, mq_node *before, const char *domain, const char *op_type, const char *name);
/* Sets or appends (index == n_inputs). v NULL: absent. */
mq_status mq_node_set_input(mq_node *n, size_t index, mq_value *v, mq_error *err);
/* v must have no producer; index may be n_outputs. v NULL: not asked for. */
mq_status mq_node_set_output(mq_node *n, size_t index, mq_value *v, mq_error *err);
/* Drops trailing absent inputs. */
void mq_node_trim_inputs(mq_node *n);
/* Unlinks the node; its inputs lose a use, its outputs their producer. Subgraphs in its attributes go with it. */
void mq_node_remove(mq_node *n);
/* Moves the node before `before` (NULL: to the end) of its own graph. */
void mq_node_move(mq_node *n, mq_node *before);

/* Every use of `from` (by nodes, here and in inner graphs, and as graph output) becomes a use of `to`. Graph outputs
 * keep their name: when `from` is one, the caller must rename. */
mq_status mq_value_replace_uses(mq_value *from, mq_value *to, mq_error *err);
/* Puts `to` between v and one of its uses. */
mq_status mq_use_redirect(mq_use use, mq_value *to, mq_error *err);
/* Changes the name; MQ_ERR_USAGE when it is taken in the scope. */
mq_status mq_value_rename(mq_value *v, const char *name, mq_error *err);

/* Calls visit for each value of g that n, a node of g, reads: its inputs, and what its inner graphs (to any depth) read or
 * give out of g. One that is read twice comes twice. Ends with the first status that is not MQ_OK, and returns it. */
typedef mq_status (*mq_read_fn)(void *user, mq_value *v);
mq_status mq_node_each_read(const mq_node *n, const mq_graph *g, mq_read_fn visit, void *user);

/* Is v used by no node and no graph output? */
bool mq_value_unused(const mq_value *v);

/* Attributes. Getters look at the stored type: another type than asked for counts as absent. */
mq_attr *mq_node_attr(const mq_node *n, const char *name); /* NULL: absent */
int64_t mq_node_attr_int(const mq_node *n, const char *name, int64_t absent);
float mq_node_attr_float(const mq_node *n, const char *name, float absent);
/* NUL-terminated copy-free view is not possible: compare with this. */
bool mq_node_attr_is(const mq_node *n, const char *name, const char *text); /* false when absent */
/* Pointer and count; NULL and 0 when absent. */
const int64_t *mq_node_attr_ints(const mq_node *n, const char *name, size_t *count);
mq_status mq_node_set_attr_int(mq_node *n, const char *name, int64_t v, mq_error *err);
mq_status mq_node_set_attr_float(mq_node *n, const char *name, float v, mq_error *err);
mq_status mq_node_set_attr_string(mq_node *n, const char *name, const char *v, mq_error *err);
mq_status mq_node_set_attr_ints(mq_node *n, const char *name, const int64_t *v, size_t count, mq_error *err);
mq_status mq_node_set_attr_tensor(mq_node *n, const char *name, mq_tensor *v, mq_error *err);
void mq_node_remove_attr(mq_node *n, const char *name);

/* The constant behind a value: its initializer (not when it is also an input that a caller may override, unless
 * `inputs_too`), or the tensor of a Constant node ('value', 'value_int(s)', 'value_float(s)'). NULL: no dense constant. */
mq_tensor *mq_value_constant(const mq_value *v, bool inputs_too);

/* Sorts g (and its subgraphs) topologically, keeping the file's order among nodes that are ready (stable); counts the
 * nodes that moved. MQ_ERR_INPUT with the names when there is a cycle; the order is then unchanged. */
mq_status mq_graph_sort(mq_graph *g, size_t *n_moved, mq_error *err);

/* Types. */
mq_type *mq_type_create(mq_model *m, mq_type_kind kind, mq_dtype dtype, int rank, const mq_dim *dims); /* copies dims */
bool mq_dim_known(mq_dim d);
bool mq_dim_equal(mq_dim a, mq_dim b); /* known and equal, or the same symbol */

/* The whole model as text, for tests and for looking at: a line per input, initializer, node and output, subgraphs indented.
 * To be freed with free(); NULL when out of memory. */
char *mq_model_dump(const mq_model *m);
/* The same of one graph. */
char *mq_graph_dump(const mq_graph *g);
/* "float[batch,3,224,224]", "seq(int64[?])", "float[...]" for an unknown rank, "?" for NULL; into a buffer of `size`. */
void mq_type_text(const mq_type *t, char *out, size_t size);

#endif
