/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of mq_check_layers share. */
#ifndef MQ_API_DRIFT_JOB_H
#define MQ_API_DRIFT_JOB_H

#include "api/running.h"
#include "exec/compare.h"
#include "exec/evaluate.h"
#include "mq/layers.h"

/* Values beyond are masks (-3.4e38 for a score that is not to count): all that they become is far away, too. */
#define MQ_LAYER_MASK 1e9

enum {
    MQ_LAYER_INPUTS = 8, /* of a node that are looked at */
    MQ_LAYER_TAIL = 3,   /* nodes between a layer and the tensor it is judged by */
};

/* Integers that a tensor goes through, with one scale: as they are made, and as they are read. */
typedef struct mq_fake {
    bool on, dynamic; /* dynamic: the range of each run */
    mq_dtype type;
    double in_scale, out_scale;
    int64_t in_zero, out_zero;
} mq_fake;

/* An input of a quantized node, in one of three ways: a constant in floats, one in integers, or what passes through them. */
typedef struct mq_layer_in {
    const mq_value *real;
    const mq_value *codes, *scale, *zero; /* scale and zero may be NULL: 1 and 0 */
    double by;                            /* the scale is this times the one above; 0: once (biases) */
    mq_fake fake;
} mq_layer_in;

/* A quantized node of the model, as a node on floats. */
typedef struct mq_layer_view {
    mq_node *node;
    const char *op;       /* of ai.onnx, that it stands for */
    mq_layer_in in[MQ_LAYER_INPUTS];
    size_t n_in;
    mq_value *out;        /* floats, or integers that `made` says */
    mq_fake made;
    bool last;            /* nobody reads those integers but the model's outputs */
    const char *keys[3];  /* names without what quantizers add: of the weight, the result, the node; NULL: none */
    bool matched;
} mq_layer_view;

/* What one input's values did to the integers, over all samples. */
typedef struct mq_layer_values {
    uint64_t n, below, above;
    double min, max;
    double clip, round;      /* noise by clipping, by rounding */
    double sum2;
    double *channels;        /* largest magnitude per channel, n_channels of them; heap */
    size_t n_channels;
} mq_layer_values;

/* A layer of the reference that the model has quantized. */
typedef struct mq_layer_job {
    const mq_layer_view *view; /* NULL: whatever makes `made` in the model, as a whole */
    bool only_weights;         /* then: no activation is rounded in there */
    int least_bits;            /* then: of the integers among its constants */
    mq_node *node;             /* of the reference */
    mq_node *tail[MQ_LAYER_TAIL];
    size_t n_tail;
    const mq_value *ref;       /* the reference's tensor, behind the tail */
    const char *made;          /* the model's tensor, float */
    const char *label;
    float *in_scale, *out_scale; /* per channel: the model's values by the reference's; NULL: 1; in the arena */
    size_t n_in_scale, n_out_scale;
    mq_compare own, weights, activations, accumulated;
    mq_layer_values looks[MQ_LAYER_INPUTS + 1]; /* the last: of the result, where nobody else answers for its integers */
    double saturated, products; /* noise of 16-bit sums, and the power of the products beside it */
    uint64_t n_saturated, n_sums; /* pairs of products */
    size_t bytes;              /* of its result, in one run */
    size_t held;               /* bytes of the model's constants in floats */
    double told;               /* the largest noise of those who read what it moves */
    bool dropped;              /* its constants cannot be computed */
    struct mq_weight_look {
        bool seen;
        double noise, power;   /* of the reference's weight */
        double offset, steps;  /* noise by the mean of the difference; that mean in steps of the (first) scale */
        double ratio;          /* of the model's weight by the reference's, by least squares */
        double clip;           /* noise by weights beyond the ends */
        double spread;         /* the largest channel's magnitude by the median's */
        double peak;           /* largest magnitude by root mean square, of the worst channel */
        bool one_scale;
        int bits;
    } weight;
} mq_layer_job;

typedef struct mq_layers_job {
    const mq_layers_opts *opts;
    const mq_hooks *hooks;
    mq_error *err;
    mq_arena *arena;
    mq_model *model, *reference; /* copies, of the newest opset */
    mq_model *original;          /* the reference as it was read */
    mq_evaluator *evaluator;
    mq_layer_view *views;
    size_t n_views;
    MQ_VEC(mq_layer_job) layers; /* heap; in the reference's order */
    bool saturates;
    uint64_t n_samples;
} mq_layers_job;

/* ---- drift_constant.c ---------------------------------------------------------------------------------------------- */

/* Has n inner graphs? What it makes depends on more than its inputs. */
bool mq_layers_has_graphs(const mq_node *n);
/* Tags g's values for the two below, in the order of its nodes; nobody else may use the tags as long. */
void mq_layers_mark(mq_graph *g);
/* Can v be computed from constants alone? */
bool mq_layers_is_constant(const mq_value *v);
/* Does v come from integers, by constants alone? */
bool mq_layers_is_dequantized(const mq_value *v);
/* The stored constant that v is made of, by first inputs; NULL: there is none. */
const mq_value *mq_layers_stored(const mq_value *v);
/* The constant v as it is: a new reference. */
mq_status mq_layers_evaluate(mq_layers_job *j, const mq_value *v, mq_array **out);
/* The axis of the output channels of weight k of n, which stands for `op`; the last where the operator does not tell. */
int mq_layers_weight_axis(const mq_node *n, const char *op, size_t k, int rank);
/* The axis of the channels of what n reads and makes: 1 of images, else the last; -1: rank is 0. */
int mq_layers_value_axis(const mq_node *n, int rank);

/* ---- drift_read.c -------------------------------------------------------------------------------------------------- */

/* Finds the quantized nodes of j->model. */
mq_status mq_layers_read(mq_layers_job *j);
/* Does n give its input's values on as they are, in other places or shapes? */
bool mq_layers_moves(const mq_node *n);
/* The constant v as float32: a new array. */
mq_status mq_layers_constant(mq_layers_job *j, const mq_value *v, mq_array **out);
/* A view's constant input k in floats, channels along `axis` of its integers: a new array. */
mq_status mq_layers_input(mq_layers_job *j, const mq_layer_view *view, size_t k, mq_array **out);
/* The integers of that input, one to a byte, with their scale's number; NULL: they are not told or not int8. */
mq_status mq_layers_codes(mq_layers_job *j, const mq_layer_view *view, size_t k, mq_array **codes, mq_array **scale,
                          mq_array **zero);
/* The name without what quantizers put behind names of values; in the arena. */
const char *mq_layers_bare_name(mq_layers_job *j, const char *name);
/* The float values behind v when v is made into integers there: the first of QuantizeLinear's readers, or NULL. */
mq_value *mq_layers_quantized(const mq_value *v, mq_fake *fake);

/* ---- drift_match.c ------------------------------------------------------------------------------------------------- */

/* Fills in j->layers: who belongs to whom. Tags of the reference's nodes: the layer's number + 1. */
mq_status mq_layers_match(mq_layers_job *j);

/* rc as it is, but when it says that l's constants cannot be computed: l becomes nobody's, with a warning, MQ_OK. */
mq_status mq_layers_drop(mq_layers_job *j, mq_layer_job *l, mq_status rc);

/* ---- drift_scale.c ------------------------------------------------------------------------------------------------- */

/* Finds channels that were rescaled before they were quantized (smoothing, equalization). */
mq_status mq_layers_find_scales(mq_layers_job *j);
/* Constant k of l, which is b, in the reference's units: a new array, or another reference. */
mq_status mq_layers_unscale(mq_layers_job *j, const mq_layer_job *l, size_t k, mq_array *b, mq_array **out);
/* b with a's shape, turned where one of the two is stored so: another reference or a new array; NULL: they do not fit. */
mq_status mq_layers_fit(const mq_array *a, mq_array *b, mq_array **out, mq_error *err);

/* ---- drift_probe.c ------------------------------------------------------------------------------------------------- */

/* Measures layers [from, to). */
mq_status mq_layers_probe(mq_layers_job *j, size_t from, size_t to);
/* One run of the reference, for the sizes of results. */
mq_status mq_layers_size(mq_layers_job *j);

/* ---- drift_look.c -------------------------------------------------------------------------------------------------- */

/* The integers of input k; of the result: MQ_LAYER_INPUTS. */
const mq_fake *mq_layer_fake(const mq_layer_job *l, size_t k);
/* Adds one run's values of input k. */
mq_status mq_layer_look_at(mq_layer_job *l, size_t k, const mq_array *x, mq_error *err);
/* Looks at weight k: a the reference's, b the model's in the same units. */
mq_status mq_layer_look_at_weight(mq_layers_job *j, mq_layer_job *l, size_t k, const mq_array *a, const mq_array *b);

/* ---- drift_saturate.c ---------------------------------------------------------------------------------------------- */

/* Adds what some of the products of one run would lose to 16-bit sums. */
mq_status mq_layer_saturate(mq_layers_job *j, mq_layer_job *l, const mq_array *x);

/* ---- drift_cause.c ------------------------------------------------------------------------------------------------- */

/* Noise by power, of the layer alone. */
double mq_layer_noise(const mq_layers_job *j, const mq_layer_job *l);
/* Fills in cause, why, remedy and input. */
mq_status mq_layer_explain(const mq_layers_job *j, const mq_layer_job *l, mq_layer *out);

#endif
