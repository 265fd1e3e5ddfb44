/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the commands that run models share: a plan on data. */
#ifndef MQ_API_RUNNING_H
#define MQ_API_RUNNING_H

#include "data/data.h"
#include "exec/exec.h"
#include "mq/run.h"

/* A model with a plan, a runner and the arrays of one run. */
typedef struct mq_running {
    mq_plan *plan;
    mq_runner *runner;
    size_t n_in, n_out;
    const mq_value **inputs, **outputs; /* of the plan */
    mq_array **in, **out;               /* of the last run: in is borrowed, out held */
} mq_running;

mq_status mq_running_open(mq_running *r, mq_model *m, const mq_plan_opts *opts, const mq_hooks *hooks, mq_error *err);
void mq_running_close(mq_running *r);
/* Runs once; in: n_in arrays. The outputs of the run before are let go of. */
mq_status mq_running_run(mq_running *r, mq_array *const *in, mq_error *err);

/* The batch that the model's inputs fix: what the first one that says so has as its axis 0; 0: none does. */
uint64_t mq_running_batch(const mq_running *r);

/* Which of the model's inputs feeds which of the reference's: by name, or by position when no name agrees, which is said.
 * feeds: room for reference->n_in; SIZE_MAX: none, it has a default. MQ_ERR_INPUT: one is wanted that the model lacks. */
mq_status mq_running_pair(size_t *feeds, const mq_running *model, const mq_running *reference,
                          void (*tell)(void *user, const char *text), void *user, mq_error *err);
/* What the reference is fed when the model is given `given`: in[k] is a reference each (NULL: its default), of the type that
 * it wants (a float model beside an fp16 one). On failure, too, the caller lets go of what stands there. */
mq_status mq_running_feed(const mq_running *reference, const size_t *feeds, mq_array *const *given, mq_array **in,
                          mq_error *err);

/* Mends and checks a model (sound.h), applies --shape and --dim of a source to it, and infers its types. */
mq_status mq_source_declare(const mq_data_source *s, mq_model *m, mq_error *err);
/* --shape and --dim for a model that is to stay as it is: a copy of m that has them, the caller's, which m must outlive;
 * NULL when none are given. */
mq_status mq_source_shape(const mq_data_source *s, mq_model *m, mq_model **shaped, mq_error *err);
/* The dataset of a source for these inputs and outputs; without s->data it is one generated sample. */
mq_status mq_source_open(mq_dataset **out, const mq_data_source *s, const mq_value *const *inputs, size_t n_inputs,
                         const mq_value *const *outputs, size_t n_outputs, const mq_hooks *hooks, mq_error *err);
/* Part `shard` of n_shards of it, from 1 (data.h), for calibration: NaN and infinity in the data are MQ_ERR_INPUT unless the
 * source allows them. */
mq_status mq_source_open_part(mq_dataset **out, const mq_data_source *s, int shard, int n_shards,
                              const mq_value *const *inputs, size_t n_inputs, const mq_value *const *outputs,
                              size_t n_outputs, const mq_hooks *hooks, mq_error *err);
/* Says a sentence to an option's `note`; tell may be NULL. */
void mq_tell(void (*tell)(void *user, const char *text), void *user, const char *fmt, ...) MQ_PRINTF(3, 4);
/* Tells the dataset's notes, and that inputs are generated where nobody said so. tell may be NULL. */
void mq_source_tell(const mq_data_source *s, const mq_dataset *ds, void (*tell)(void *user, const char *text), void *user);
/* Shape and range of each input, after the first run: "'data' is float[1,3,224,224], -123.7 to 151.1". tell may be NULL. */
void mq_source_look(const mq_dataset *ds, const mq_value *const *inputs, size_t n_inputs,
                    void (*tell)(void *user, const char *text), void *user);
/* At the end: warns about what was counted. */
void mq_source_warn(const mq_data_source *s, const mq_dataset *ds, const mq_hooks *hooks);

/* Names of the main graph's tensors that match patterns (not constants), in the graph's order: in m's arena. `option` is for
 * messages. MQ_ERR_USAGE for a pattern that matches nothing. */
mq_status mq_match_tensors(mq_model *m, const char *option, const char *const *patterns, size_t n, const char ***names,
                           size_t *n_names, mq_error *err);

/* MQ_ERR_USAGE with the nearest names when the main graph has no tensor of one of these names. */
mq_status mq_need_tensors(const mq_model *m, const char *option, const char *const *names, size_t n, mq_error *err);

/* One tensor's entry in the report. */
void mq_agreement_report(mq_report *report, const mq_agreement *a);

/* Seconds on a clock that only goes forward. */
double mq_seconds(void);

#endif
