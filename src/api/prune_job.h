/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of `mq prune` share while one file is made. */
#ifndef MQ_API_PRUNE_JOB_H
#define MQ_API_PRUNE_JOB_H

#include <jansson.h>

#include "api/bounds.h"
#include "api/job.h"
#include "api/prune_tune.h"
#include "mq/prune.h"
#include "prune/target.h"
#include "report/report.h"

/* What was gained (prune_worth.c). */
typedef struct mq_prune_worth {
    int64_t macs_before, macs;           /* of nodes whose sizes are known */
    uint64_t dense_bytes, sparse_bytes;  /* of the pruned weights, each in its smaller form in the second */
    uint64_t gzip_before, gzip;          /* about, of all files; 0: not looked at */
    bool smaller, faster;
    json_t *section;                     /* in the report, borrowed; NULL: not begun */
} mq_prune_worth;

typedef struct mq_prune_job {
    mq_job job;
    const mq_prune_opts *opts;
    mq_prune_plan plan;
    mq_judging *judging;
    mq_prune_worth worth;
    struct mq_prune_structured *structured; /* instead of plan: what is taken out as a whole; else NULL */
    mq_prune_tuning tuning;  /* n_done 0: nothing was trained */
} mq_prune_job;

/* prune_search.c: measures each weight alone, for the report; with bounds in the place of a number of zeros every weight
 * gets a ratio of its own, and those that cannot lose anything stay. */
mq_status mq_prune_search(mq_prune_job *j);

/* The section `prune` of the report, and what the pass over the weights found out; MQ_ERR_USAGE when nothing is left of a
 * weight that was to lose a share of its own. */
mq_status mq_prune_tell(mq_prune_job *j);

/* ---- channels, heads, columns, layers (prune_structure.c) ------------------------------------------------------------ */

/* Is opts->pattern one of these? */
bool mq_prune_is_structured(const mq_prune_opts *o);
/* Decides what may go, and in which order: sets j->structured. Nothing is changed but initializers that were inputs, too.
 * MQ_ERR_USAGE for options that make no sense, MQ_ERR_UNSUPPORTED when nothing can go. */
mq_status mq_prune_structure_choose(mq_prune_job *j);
/* Then, with j->judging: how many channels of each group go. MQ_ERR_UNSUPPORTED when none would. */
mq_status mq_prune_structure_counts(mq_prune_job *j);
/* Takes it out of the model, or makes it zero. */
mq_status mq_prune_structure_apply(mq_prune_job *j);
/* The same in rounds, of which this one ends when `share` of the way is done; *gone: the share of channels or blocks that
 * are gone then. Importance is that of the model as training left it. */
mq_status mq_prune_structure_cut(mq_prune_job *j, double share, double *gone);
/* Afterwards: names of the weights that lost slices or have zeros in their place, in the model's arena. */
mq_status mq_prune_structure_names(const mq_prune_job *j, const char ***names, size_t *n);
/* The rest of the report's section, and the mode. */
mq_status mq_prune_structure_tell(mq_prune_job *j, json_t *section);
void mq_prune_structure_close(mq_prune_job *j);

/* ---- prune_worth.c -------------------------------------------------------------------------------------------------- */

/* Before anything is changed: what a run costs, and a word where neither size nor time will be gained. */
mq_status mq_prune_worth_begin(mq_prune_job *j);
/* --storage sparse: initializers that are smaller as coordinates become so; those of pruned weights that are not are
 * warned about. After all else, before the file is written. */
mq_status mq_prune_store(mq_prune_job *j);
/* What a pruned weight takes, into its entry of the report, and into the sums. */
void mq_prune_worth_add(mq_prune_job *j, json_t *to, mq_dtype type, uint64_t elements, uint64_t zeros, bool stored_sparse);
/* `worth` of the section `prune`; after all weights were added. */
mq_status mq_prune_worth_tell(mq_prune_job *j);
/* For mq_job.look: adds sizes after compression, by samples; of large files when a report is asked for. */
mq_status mq_prune_look(void *job, const mq_model *written);

/* ---- prune_rounds.c ------------------------------------------------------------------------------------------------- */

/* Is anything trained? */
bool mq_prune_trains(const mq_prune_opts *o);
/* Prunes and trains in rounds: weights are pruned and trained in memory then, and the plan is that of the
 * last round. */
mq_status mq_prune_in_rounds(mq_prune_job *j);
/* What the rounds were, into the report. */
void mq_prune_tell_rounds(mq_prune_job *j);

/* ---- prune_data.c --------------------------------------------------------------------------------------------------- */

/* What the methods that look at data need to be told: MQ_ERR_USAGE. */
mq_status mq_prune_check_data(const mq_prune_opts *o, mq_error *err);
/* Prunes by such a method; its items are done then. Others: nothing. */
mq_status mq_prune_with_data(mq_prune_job *j);

#endif
