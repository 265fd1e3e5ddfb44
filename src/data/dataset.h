/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Inside a dataset: shared by dataset.c and dataset_options.c (opening), match.c (which column feeds which input)
 * and calls.c (run after run). */
#ifndef MQ_DATA_DATASET_H
#define MQ_DATA_DATASET_H

#include "base/pattern.h"
#include "data/data.h"
#include "data/fill.h"
#include "data/parse.h"
#include "data/preprocess.h"
#include "data/table.h"

/* How a column becomes an input of one run. */
typedef enum mq_feed_mode {
    MQ_FEED_STACK,  /* rows along the batch axis */
    MQ_FEED_STATE,  /* the same where that is axis 1: the state of a recurrent model, [layers, batch, units] */
    MQ_FEED_SINGLE, /* a row is the whole input */
    MQ_FEED_WHOLE,  /* the column is the input, the same in every run */
} mq_feed_mode;

typedef struct mq_feed {
    int column; /* -1: the table does not feed it */
    mq_feed_mode mode;
    mq_array *whole;  /* MQ_FEED_WHOLE: as the input wants it, once made */
    size_t given_back; /* of a dense column: bytes from its beginning whose pages are not needed any more */
} mq_feed;

/* One --data. Those without INPUT= follow each other as rows (group -1); those with the same INPUT= follow each
 * other as rows of that column (the group of the input's number). All groups have the same number of samples. */
typedef struct mq_part {
    mq_source_spec spec;
    mq_table *table;
    uint64_t first;  /* number of its first sample */
    mq_feed *in, *want;
    bool single;     /* each sample is a run of its own */
    mq_table *labels; /* NULL: label_column is of `table` */
    int label_column; /* -1: there are none */
} mq_part;

/* One sample on its way into a run. */
typedef struct mq_slot {
    uint64_t number;
    mq_part *source; /* of group -1; NULL: there is none */
    mq_array **in, **want;
    mq_array *label;
} mq_slot;

struct mq_dataset {
    mq_arena *arena; /* names, specs */
    mq_data_opts opts; /* the lists are not kept */
    const mq_value **inputs, **outputs;
    size_t n_inputs, n_outputs;
    const mq_hooks *hooks;
    mq_part *sources;
    size_t n_sources;
    bool *grouped;       /* per input: a group of its own feeds it */
    mq_pipeline **pipelines; /* per input; NULL: none */
    mq_fill **fills;     /* per input; NULL: none */
    int *carry;          /* per input: the output that it comes from; -1 */
    mq_array **carried;  /* per input */
    bool has_carry, has_labels;
    uint64_t n_total, n_samples; /* in the data; to be given */
    size_t batch;        /* rows of a full batch; 0: no input has a batch axis */
    bool fixed;          /* the model says the batch: runs are filled up */
    MQ_VEC(const char *) notes;
    /* where it stands */
    uint64_t at;         /* samples taken of n_samples */
    uint64_t begin, end; /* of them those of this part */
    mq_slot *slots;      /* `batch` and one ahead */
    size_t n_slots, n_ready; /* n_ready: slots filled already: 0, or 1 that did not fit the last run */
    const mq_part *current; /* source of the last run */
    mq_data_call call;
    mq_array **call_in, **call_want;
    uint64_t *call_samples;
    mq_data_counts counts;
    mq_input_look *looks;
    mq_fill_run run;
};

/* The best known type of an input or output. */
const mq_type *mq_port_type(const mq_value *v);
/* Must something feed it? */
bool mq_port_required(const mq_value *v);

mq_status mq_dataset_note(mq_dataset *ds, mq_error *err, const char *fmt, ...) MQ_PRINTF(3, 4);

/* Options into ds->fills, carry and pipelines (dataset_options.c). */
mq_status mq_fills_parse(mq_dataset *ds, const mq_data_opts *o, mq_error *err);
mq_status mq_carry_parse(mq_dataset *ds, const mq_data_opts *o, mq_error *err);
mq_status mq_preprocess_parse(mq_dataset *ds, const mq_data_opts *o, mq_error *err);

/* Fills in source->in, want, single and, for dense columns, the table's n_rows. */
mq_status mq_part_match(mq_dataset *ds, mq_part *s, mq_error *err);

/* "the model wants: ...; SOURCE has: ..." into err behind `what`. */
mq_status mq_mismatch(const mq_dataset *ds, const mq_part *s, mq_status status, mq_error *err, const char *fmt, ...)
    MQ_PRINTF(5, 6);

/* The number of the k-th sample chosen. */
uint64_t mq_dataset_number(const mq_dataset *ds, uint64_t k);

/* The source of a group (-1: rows) that holds a sample; NULL: none. */
mq_part *mq_part_of(const mq_dataset *ds, int group, uint64_t sample);

/* Is an array that feeds an input alone [layers, n_rows, units], and the input a state [layers, batch, units]? */
bool mq_column_is_state(const mq_column *c, const mq_value *input, int64_t n_rows);

void mq_dataset_drop_call(mq_dataset *ds);

#endif
