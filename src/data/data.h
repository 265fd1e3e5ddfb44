/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Data for models: what --data, --labels, --preprocess, --fill and --carry name, turned into the arrays of one run
 * after another; and outputs written to files.
 *
 * The way of a sample: a table (table.h; one file or folder: npy.c, npz.c, jsonl.c, folder.c, test_sets.c)
 * gives rows of named columns; match.c says which column feeds which input and how (stacked along the batch axis,
 * one row per run, or whole); preprocess.c and convert.c make each row what the input wants; dataset.c stacks rows
 * to batches, and fill.c makes the inputs that no data give. Nothing is kept per sample but its place in a file.
 *
 * Options are handed over as the user wrote them; parse.c knows their forms. */
#ifndef MQ_DATA_DATA_H
#define MQ_DATA_DATA_H

#include "graph/array.h"

/* ---- reading ------------------------------------------------------------------------------------------------------ */

typedef struct mq_dataset mq_dataset;

/* All lists hold option values as written ("input=x.npz:key"); what {0} leaves out is none. */
typedef struct mq_data_opts {
    const char *const *data; /* --data or --val-data */
    size_t n_data;
    const char *const *labels; /* the n-th belongs to the n-th of data */
    size_t n_labels;
    const char *const *preprocess;
    size_t n_preprocess;
    const char *const *fills;
    size_t n_fills;
    const char *const *carry;
    size_t n_carry;
    uint64_t samples;      /* at most so many, evenly spread (with carry: the first ones); 0: all */
    int64_t batch;         /* 0: the model's, else 1 */
    uint64_t seed;         /* of generated values */
    bool skip_bad;         /* rows that cannot be read are left out and counted (default: an error) */
    bool refuse_nonfinite; /* NaN or infinity in an input is MQ_ERR_INPUT (default: counted); the error counts them */
    bool val;              /* messages say --val-data and --val-labels */
    /* Part `shard`, from 1, of n_shards: of the samples chosen a range. Runs then begin at multiples of the batch, whatever
     * is left out or has another shape, so that the parts have the same runs as the whole, 1 of 1. 0: no parts. */
    int shard, n_shards;
} mq_data_opts;

/* Opens everything and checks what can be checked before any work. inputs and outputs are the model's (or those of
 * the part that runs): names, types, and for generated values their uses are read; an input with an initializer is
 * optional. They and hooks must outlive the dataset, opts need not. Files are told through hooks.file. Errors:
 * MQ_ERR_USAGE for bad values and contradictions; MQ_ERR_INPUT for files that cannot be read and data that do not
 * fit, with what the model wants and what the data have. */
mq_status mq_dataset_open(mq_dataset **out, const mq_data_opts *opts, const mq_value *const *inputs, size_t n_inputs,
                          const mq_value *const *outputs, size_t n_outputs, const mq_hooks *hooks, mq_error *err);
void mq_dataset_free(mq_dataset *ds); /* NULL is fine */

/* One run of the model. */
typedef struct mq_data_call {
    mq_array *const *in;     /* one per input; NULL: an optional input keeps its default */
    mq_array *const *want;   /* one per output: what the data say it should be, of n samples; NULL: nothing */
    mq_array *labels;        /* [n] or [n, ...], integers or floats as stored; NULL: none */
    const uint64_t *samples; /* which ones: numbers in the data, before --samples chose */
    size_t n;                /* of samples */
    size_t rows;             /* size of the batch axis: n, or more when a fixed batch was filled up with copies of the
                                last sample; 0: there is no batch axis, the run is one sample */
    bool restart;            /* the first run of a file: carried state began with zeros */
} mq_data_call;

/* The next run, valid until the next call on ds; *call is NULL at the end. Errors: MQ_ERR_INPUT for a sample that
 * cannot be read or does not fit, MQ_ERR_CANCELLED, MQ_ERR_NOMEM. */
mq_status mq_dataset_next(mq_dataset *ds, const mq_data_call **call, mq_error *err);
/* Can samples be read one by one, by mq_dataset_sample? Not those that are generated, or given whole. */
bool mq_dataset_by_sample(const mq_dataset *ds);
/* What sample `number` (as mq_data_call.samples has it) gives to each input, without the batch axis: new references, perhaps
 * views of a mapped file, all or none. Nothing is counted, and mq_dataset_next goes on where it was. */
mq_status mq_dataset_sample(mq_dataset *ds, uint64_t number, mq_array **in, mq_error *err);
/* After a run: hands over the model's outputs (in the order of open), of which --carry keeps some for the next one.
 * Needed only when opts.carry was given. */
mq_status mq_dataset_carry(mq_dataset *ds, mq_array *const *outputs, mq_error *err);
/* From the beginning; counts start anew. */
void mq_dataset_rewind(mq_dataset *ds);

uint64_t mq_dataset_n_samples(const mq_dataset *ds); /* that will be given (less what cannot be read) */
uint64_t mq_dataset_n_chosen(const mq_dataset *ds);  /* the same, of all parts */
uint64_t mq_dataset_n_total(const mq_dataset *ds);   /* in the data */
int64_t mq_dataset_batch(const mq_dataset *ds);      /* rows of a full batch; 0: each sample is a run without a batch axis */
bool mq_dataset_has_labels(const mq_dataset *ds);
bool mq_dataset_has_want(const mq_dataset *ds, size_t output);
bool mq_dataset_generated(const mq_dataset *ds); /* every input comes from random:N or --fill */
/* "dir/cat.jpg", "x.npz, row 12". */
void mq_dataset_sample_text(const mq_dataset *ds, uint64_t sample, char *out, size_t size);

/* What the user should hear: "'x' feeds 'input'", "'y' is not used". Borrowed. */
size_t mq_dataset_notes(const mq_dataset *ds, const char *const **notes);

/* A text that knows the data again: where they are generated "generated:" and a hash of what was asked for; else a hash of
 * names (within a folder), keys and contents of the files that hold the samples chosen, of all parts. Reads these files.
 * size: at least 80. Errors: MQ_ERR_INPUT, MQ_ERR_CANCELLED, MQ_ERR_NOMEM. */
mq_status mq_dataset_digest(const mq_dataset *ds, char *out, size_t size, mq_error *err);

/* Counted since open or rewind. */
typedef struct mq_data_counts {
    uint64_t samples;        /* given */
    uint64_t skipped;        /* could not be read */
    uint64_t nonfinite;      /* samples with NaN or infinity in an input */
    char first_nonfinite[512]; /* "input 'x': x.npz, row 3"; "" when there is none */
} mq_data_counts;
const mq_data_counts *mq_dataset_counts(const mq_dataset *ds);

/* Shape and range of what the first run was given, for -v and reports. */
typedef struct mq_input_look {
    bool seen;
    double min, max; /* of numeric inputs; of finite values */
    char text[160];  /* "float[1,3,224,224]" */
} mq_input_look;
const mq_input_look *mq_dataset_look(const mq_dataset *ds, size_t input);

/* ---- shapes ------------------------------------------------------------------------------------------------------- */

/* --shape and --dim: declares the shapes of m's inputs in memory (the caller infers types afterwards). dims set
 * symbols in inputs and outputs. MQ_ERR_USAGE for bad values, unknown names (with the nearest) and ranks that differ
 * from the declared one. */
mq_status mq_shapes_apply(mq_model *m, const char *const *shapes, size_t n_shapes, const char *const *dims, size_t n_dims,
                          mq_error *err);

/* ---- generated values --------------------------------------------------------------------------------------------- */

/* Indices that an integer input may hold: fewer than this, because Gather or an embedding looks them up. INT64_MAX:
 * nothing says. */
int64_t mq_random_limit(const mq_value *input);

/* ---- writing ------------------------------------------------------------------------------------------------------ */

/* Outputs of all runs on their way to a file. What is added goes to unnamed scratch files; memory does not grow with
 * the data. */
typedef struct mq_results mq_results;

/* names: what the arrays are called in the file, copied. */
mq_status mq_results_create(mq_results **out, const char *const *names, size_t n, mq_error *err);
void mq_results_free(mq_results *r); /* NULL is fine */

/* Output i of one run: call->n samples of it when its axis 0 is the batch axis (has call->rows rows), else all of
 * it. NULL: the run has no such output. */
mq_status mq_results_add(mq_results *r, size_t i, const mq_array *a, const mq_data_call *call, mq_error *err);

/* Writes `path`: .npz, .npy (one output) or .pb (one output, a TensorProto), by its name; not over an existing file
 * unless `force`. Runs whose shapes agree are joined along the batch axis, else numbered: "name.0", "name.1". The
 * same bytes every time. Types that numpy lacks become the nearest one that holds them: bfloat16 and float8 float,
 * 4-bit integers int8 and uint8. Errors: MQ_ERR_USAGE (the name, or what the form cannot hold), MQ_ERR_SYSTEM. */
mq_status mq_results_save(mq_results *r, const char *path, bool force, bool sync, mq_error *err);
/* Is the name one that mq_results_save knows? */
bool mq_results_form(const char *path);

/* ---- arrays in files ---------------------------------------------------------------------------------------------- */

/* One tensor, sequence or optional of an ONNX test folder (input_0.pb); `type` (may be NULL: a tensor) says which. */
mq_status mq_array_load_pb(mq_array **out, const char *path, const mq_type *type, mq_error *err);
/* A .npy file: mapped, and copied only where order or alignment ask for it. */
mq_status mq_array_load_npy(mq_array **out, const char *path, mq_error *err);

#endif
