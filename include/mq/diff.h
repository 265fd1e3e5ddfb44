/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What changed between two models: what `mq diff` does, as one call. */
#ifndef MQ_DIFF_H
#define MQ_DIFF_H

#include "mq/model.h"
#include "mq/report.h"
#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One difference. Strings are never NULL. */
typedef struct mq_diff_entry {
    char sign;         /* '-': only the first model has it; '+': only the second; '~': both, and it changed */
    const char *code;  /* stable, for scripts: "node", "initializer", "input", "output", "opset", "ir", "metadata",
                        * "function" */
    const char *place; /* for reading: "node 'conv1' (Conv)", "initializer 'w'" */
    const char *text;  /* what it is, or what became of it: "alpha 1 -> 0.5" */
} mq_diff_entry;

typedef struct mq_diff_result {
    bool equal;
    const mq_diff_entry *entries; /* models, functions, graphs in the order of the first */
    size_t n_entries;             /* at most 1000 are kept; the counts below are of all */
    size_t n_removed, n_added, n_changed;
} mq_diff_result;

/* Compares two loaded models: versions, metadata, functions, and of each graph inputs, outputs, nodes and initializers with
 * their contents. Neither documentation nor the order of nodes counts. Nodes are one node when they have one name, else one
 * first output, else one operator and the same inputs. A difference is no failure: look at (*out)->equal. Differences are
 * also added to the report, as findings "node-changed" and so on. report and hooks may be NULL.
 * Errors: MQ_ERR_INPUT (contents that cannot be read), MQ_ERR_NOMEM, MQ_ERR_CANCELLED. */
MQ_API mq_status mq_diff(mq_model *first, mq_model *second, mq_report *report, const mq_hooks *hooks, mq_diff_result **out,
                         mq_error *err);

/* NULL is fine. */
MQ_API void mq_diff_result_free(mq_diff_result *result);

#ifdef __cplusplus
}
#endif
#endif
