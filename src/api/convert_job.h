/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of `mq convert` share while one file is made. */
#ifndef MQ_API_CONVERT_JOB_H
#define MQ_API_CONVERT_JOB_H

#include "api/bounds.h"
#include "api/job.h"
#include "convert/precision.h"
#include "mq/convert.h"
#include "passes/pass.h"
#include "report/report.h"

typedef struct mq_convert_search mq_convert_search;

typedef struct mq_convert_job {
    mq_job job;
    const mq_convert_opts *opts;
    mq_convert_run run;
    mq_which *which; /* what is rewritten, and changes its precision; NULL: all */
    mq_report_graph before;
    mq_bounds bounds;
    mq_judging *judging;
    mq_precision precision;
    mq_convert_search *search; /* for the rewrite that changes outputs; NULL: not asked for */
    mq_map seen; /* for the precision: name of a tensor -> double[2] in the model's arena */
} mq_convert_job;

/* ---- bounds (convert_judge.c) --------------------------------------------------------------------------------------- */

/* MACs of the model as it is, first sizes that nobody knows counted as 1; -1: not known. Types must be inferred, and are
 * afterwards. */
mq_status mq_convert_count_macs(mq_convert_job *j, int64_t *macs);
/* Reads the bounds from the options, and of the input what they need; likewise. Freed with mq_judging_close. */
mq_status mq_convert_open_bounds(mq_convert_job *j);
/* Those for which models are run: for mq_job.judge. */
mq_status mq_convert_judge(void *user);

/* ---- --bisect (convert_bisect.c) ------------------------------------------------------------------------------------ */

/* Loads the input once more: j->search compares with it from now on, and fills *found. */
mq_status mq_convert_search_open(mq_convert_job *j, mq_bisect *found);
void mq_convert_search_close(mq_convert_search *s); /* NULL is fine */
/* Compares the model as it is with the input: what differs is due to `what` in that round, which changed so much. *found:
 * it differs. */
mq_status mq_convert_search_look(mq_convert_search *s, const char *what, int round, size_t n_changes, bool *found);
/* The verdict as a bound of the report. */
mq_status mq_convert_search_report(const mq_convert_search *s);

/* ---- --precision (convert_precision.c) ------------------------------------------------------------------------------ */

/* What outputs must have in common with the input's, dB: -INFINITY when nothing is known. */
double mq_convert_expected_sqnr(const mq_convert_opts *o);
/* Changes the model; types have been inferred. */
mq_status mq_convert_change_precision(mq_convert_job *j);
/* The original for the proof: its inputs take the result's types. */
mq_status mq_convert_give_types(const mq_convert_job *j, mq_model *original, mq_error *err);
void mq_convert_report_precision(const mq_convert_job *j);
void mq_convert_release_precision(mq_convert_job *j);

#endif
