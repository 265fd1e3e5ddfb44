/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Filling in a report from inside the library. The sections stand in one fixed order (report.c, sections) whatever order
 * they are filled in; each entry below has one function, so that its keys are written in one place and in one order
 * (docs/report.schema.json is the contract). Adding a fact: a member below, a line in the schema, a line in each renderer
 * that shows it.
 *
 * Every function accepts a NULL report (or a NULL object from one) and then does nothing: a caller needs no "if (report)".
 * Running out of memory is remembered; mq_report_status tells, once at the end. Text may be any bytes: what is not UTF-8
 * becomes U+FFFD. Numbers that are not finite become null. */
#ifndef MQ_REPORT_REPORT_H
#define MQ_REPORT_REPORT_H

#include <jansson.h>

#include "base/str.h"
#include "graph/graph.h"
#include "mq/report.h"

/* MQ_ERR_NOMEM when anything got lost since mq_report_create. */
mq_status mq_report_status(const mq_report *report, mq_error *err);

/* ---- entries ------------------------------------------------------------------------------------------------------ */

typedef enum mq_report_side { MQ_REPORT_BEFORE, MQ_REPORT_AFTER } mq_report_side;

/* `before` or `after`: counts the model's operators, opsets, parameters and bytes by type (census.h), with the file
 * sizes as stored (data_bytes: external files, of the tensors used; 0 without). */
void mq_report_set_model(mq_report *report, mq_report_side side, const mq_model *model, uint64_t file_bytes,
                         uint64_t data_bytes);

/* A tensor that was changed. */
typedef struct mq_report_changed {
    const char *name;
    const char *const *nodes; /* labels of the nodes that use it */
    size_t n_nodes;
    const char *treatment; /* "qdq-weight", ...: stable, for scripts */
    mq_dtype from, to;
    const int64_t *dims;
    int n_dims;
    int axis;              /* of the channels; -1: per tensor */
    uint64_t block_size;   /* elements that share a scale along the axis; 0: none */
    bool has_error;        /* the three below were measured */
    double sqnr_db;        /* infinite when nothing was lost */
    double max_abs_error;
    uint64_t clipped;      /* values outside the range */
    uint64_t bytes_before, bytes_after; /* scales and zero points counted */
} mq_report_changed;
void mq_report_add_changed(mq_report *report, const mq_report_changed *changed);

/* An activation that became integers, by calibration. */
typedef struct mq_report_activation {
    const char *name;
    const char *node;     /* label of the node it was done for */
    mq_dtype type;
    double low, high;     /* the range of the integers */
    double scale;
    int64_t zero_point;
    bool has_error;       /* the three below were measured on the calibration data */
    double sqnr_db;       /* infinite when nothing was lost */
    uint64_t clipped, values;
    const uint64_t *histogram; /* of the values other than 0, in bins of one width from min to max */
    size_t n_bins;        /* 0: none */
    double min, max;
} mq_report_activation;
void mq_report_add_activation(mq_report *report, const mq_report_activation *activation);

/* A weight in whose products sums of two could leave 16 bits on the target's CPU. */
typedef struct mq_report_saturating {
    const char *name;
    const char *node; /* label of the product */
    int64_t sum;      /* what 8 bits could give */
    int bits;         /* 7, with which it cannot; 8 where they were given */
} mq_report_saturating;
void mq_report_add_saturating(mq_report *report, const mq_report_saturating *saturating);

/* An input or output of the model that holds integers: what they stand for. */
typedef struct mq_report_edge {
    const char *name;
    bool is_input;
    mq_dtype type;
    double scale;
    int64_t zero_point;
} mq_report_edge;
void mq_report_add_edge(mq_report *report, const mq_report_edge *edge);

/* A weight that stayed as it is, and why. */
typedef struct mq_report_kept {
    const char *name;
    const char *node;    /* label of a node that uses it, or "" */
    const char *op_type; /* of that node, or "" */
    mq_dtype type;
    uint64_t bytes;
    const char *code;    /* stable: "excluded", "too-small", "nonfinite", ... */
    const char *reason;  /* the sentence */
} mq_report_kept;
void mq_report_add_kept(mq_report *report, const mq_report_kept *kept);

/* mq_report_add_bound, about one tensor. */
mq_status mq_report_add_bound_of(mq_report *report, const char *name, const char *tensor, const char *asked,
                                 const char *got, bool pass, mq_error *err);

/* What `check` found. An error counts in mq_report_n_missed, a warning in mq_report_n_warnings. */
typedef enum mq_report_level { MQ_REPORT_ERROR, MQ_REPORT_WARNING } mq_report_level;
void mq_report_add_finding(mq_report *report, mq_report_level level, const char *code, const char *place,
                           const char *text);

/* A file that was read ("input", "data", "external", ...) or written ("output", "output-data"); sha256: hexadecimal or
 * NULL. */
void mq_report_add_file(mq_report *report, const char *role, const char *path, uint64_t bytes, const char *sha256);

/* What was done as a whole: "weight", "dynamic"; note: why, where mq chose it, or NULL. */
void mq_report_set_mode(mq_report *report, const char *name, const char *note);

/* What the graph as a whole was and became: nodes of all graphs and function bodies without Constant nodes, and
 * multiply-accumulates of a run (negative: not known). */
typedef struct mq_report_graph {
    uint64_t nodes;
    int64_t macs;
} mq_report_graph;
void mq_report_set_rewrites(mq_report *report, const mq_report_graph *before, const mq_report_graph *after);
/* A rewrite that was tried, in the order in which they run, and how often it found something. */
void mq_report_add_rewrite(mq_report *report, const char *name, const char *summary, uint64_t changed);

/* One file of a model that was split, in the order of the chain. */
typedef struct mq_report_part {
    const char *file;
    uint64_t bytes; /* with external data */
    int64_t macs;   /* negative: not known */
    uint64_t nodes;
    const mq_graph *graph; /* whose inputs and outputs are told */
} mq_report_part;
void mq_report_add_part(mq_report *report, const mq_report_part *part);

/* An output of one file that feeds an input of another in a model that was merged. */
void mq_report_add_connection(mq_report *report, const char *from, const char *output, const char *to, const char *input);

/* How the written model was proved: mode "none", "load" or "run"; note: what was done or why not, or NULL. */
void mq_report_set_proof(mq_report *report, const char *mode, bool ok, const char *note);

/* Threads that worked, under `measured`; without it the CPUs that the process may use are written. */
void mq_report_set_threads(mq_report *report, int n_threads);

/* The median time of one run of the model before and after, by turns on one thread, under `measured`. */
void mq_report_set_speed(mq_report *report, double before_ms, double after_ms, size_t runs);

/* What a layer loses alone, level by level. */
typedef struct mq_report_point {
    double sparsity;
    double sqnr_db; /* of the outputs */
    double metric;  /* NAN: none */
    const char *form; /* instead of a sparsity; NULL: that is what there is */
} mq_report_point;
typedef struct mq_report_sensitivity {
    const char *name;
    const char *metric; /* NULL: none was measured */
    uint64_t samples;
    const mq_report_point *points;
    size_t n_points;
} mq_report_sensitivity;
void mq_report_add_sensitivity(mq_report *report, const mq_report_sensitivity *layer);

/* What was done to the model so that less is lost, `refinements`: where, and what it was worth on the data. */
typedef struct mq_report_smoothing {
    size_t activations, products, inserted; /* inserted: of the activations, those with a Mul of their own */
    double least_alpha, most_alpha;
    double expected_gain_db; /* of the activations, on average */
} mq_report_smoothing;
void mq_report_set_smoothing(mq_report *report, const mq_report_smoothing *smoothing);
/* Weights rounded by data, and by how much less their layers' results are off than by rounding to nearest, on average. */
void mq_report_set_rounding(mq_report *report, size_t weights, double gain_db);
void mq_report_set_equalization(mq_report *report, size_t tensors);
/* rms_shift: what was added to biases; rms_bias: their size. */
void mq_report_set_bias_correction(mq_report *report, size_t biases, double rms_shift, double rms_bias);

/* ---- free-form access: for `model` (what inspect tells) and for sections of later commands ------------------------ */

/* The object or array of a section, made when it is not there yet; borrowed. Only names listed in report.c. */
json_t *mq_report_section(mq_report *report, const char *name);
/* The section if it has been filled, else NULL. */
const json_t *mq_report_peek(const mq_report *report, const char *name);

/* A JSON string of any bytes: what is not UTF-8 becomes U+FFFD. NULL: out of memory. */
json_t *mq_json_text(const char *text);

/* A new object at the end of an array; a new object or array under a key. Borrowed; NULL when out of memory. */
json_t *mq_report_append(mq_report *report, json_t *array);
json_t *mq_report_object(mq_report *report, json_t *object, const char *key);
json_t *mq_report_array(mq_report *report, json_t *object, const char *key);

/* A member of an object. */
void mq_report_put_text(mq_report *report, json_t *object, const char *key, const char *text);
void mq_report_put_int(mq_report *report, json_t *object, const char *key, int64_t value);
void mq_report_put_real(mq_report *report, json_t *object, const char *key, double value);
void mq_report_put_bool(mq_report *report, json_t *object, const char *key, bool value);
void mq_report_put_null(mq_report *report, json_t *object, const char *key);
/* A list of sizes. */
void mq_report_put_dims(mq_report *report, json_t *object, const char *key, const int64_t *dims, int n_dims);
/* An element of an array. */
void mq_report_push_text(mq_report *report, json_t *array, const char *text);
void mq_report_push_int(mq_report *report, json_t *array, int64_t value);
void mq_report_push_real(mq_report *report, json_t *array, double value);

/* ---- reading, for the renderers ----------------------------------------------------------------------------------- */

/* The whole document in its order, `measured` taken now. To be released with json_decref; NULL: out of memory. */
json_t *mq_report_document(const mq_report *report);

/* Renderers: document in, text out; they set out->failed when memory runs out. One file each; listed in report.c. */
void mq_render_json(const json_t *document, mq_str *out);
void mq_render_markdown(const json_t *document, mq_str *out);
void mq_render_html(const json_t *document, mq_str *out);
void mq_render_junit(const json_t *document, mq_str *out);
void mq_render_text(const json_t *document, mq_str *out);

#endif
