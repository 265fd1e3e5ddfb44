/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Saving in two steps: everything is written beside the target first; then it can be looked at, and put in place or not. */
#ifndef MQ_MODEL_SAVE_H
#define MQ_MODEL_SAVE_H

#include "base/file.h"
#include "graph/graph.h"
#include "mq/model.h"

typedef struct mq_saving mq_saving;

/* Writes all files without putting them in place. model, path and opts must outlive the result. */
mq_status mq_saving_begin(mq_saving **out, mq_model *model, const char *path, const mq_save_opts *opts,
                          const mq_hooks *hooks, mq_error *err);

/* What was written. */
mq_saved mq_saving_sizes(const mq_saving *s);

/* Loads the written files as a model of its own, external data included. */
mq_status mq_saving_reload(const mq_saving *s, mq_model **out, mq_error *err);

/* The i-th data file written beside the model: its path, borrowed, and its size; NULL: there are no more. */
const char *mq_saving_data_file(const mq_saving *s, size_t i, uint64_t *bytes);

/* Puts all in place; frees s, also on failure. */
mq_status mq_saving_commit(mq_saving *s, mq_error *err);
/* Puts n saved models in place that a file `list` makes one of, the list last: at every moment there are the old ones with
 * the old list, the new ones with the new list, or no list. Frees all, also on failure. */
mq_status mq_saving_commit_all(mq_saving **all, size_t n, mq_outfile *list, bool sync, mq_error *err);
/* Throws all away; NULL is fine. */
void mq_saving_abort(mq_saving *s);

/* What mq_saving_begin would write, without writing: sizes before compression. */
mq_status mq_saving_estimate(mq_model *model, const char *path, const mq_save_opts *opts, mq_saved *sizes, mq_error *err);

/* mq_model_load of a file that must be a model itself, no list of parts. */
mq_status mq_model_load_single(mq_model **out, const char *path, mq_error *err);

/* Loads from an open descriptor, whose ownership passes; path is for messages and for finding external data. */
mq_status mq_model_load_fd(mq_model **out, int fd, const char *path, mq_error *err);

#endif
