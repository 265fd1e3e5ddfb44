/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The teacher's outputs in files: --teacher-cache, read again for the same teacher and data, and --soft-labels, for others
 * to read. Rows stand in the order of the data. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "api/distill_job.h"
#include "base/hash.h"
#include "data/data.h"
#include "data/table.h"
#include "train/loss.h"

#define KEY "mq.key" /* a member of the file: what its outputs belong to, 64 bytes of text */

/* The teacher's file and all samples. */
static mq_status make_key(const mq_distill_job *j, char hex[MQ_SHA256_HEX])
{
    char part[MQ_SHA256_HEX];
    mq_status rc = MQ_OK;

    *hex = '\0';
    if (strcmp(j->job.input, "-") != 0) {
        MQ_TRY(mq_sha256_file(j->job.input, part, j->job.err));
        mq_sha256_chain(hex, part);
    }
    rc = mq_samples_hash(&j->train.samples, hex, j->job.err);
done:
    return rc;
}

static mq_status take_column(mq_table *t, const char *name, mq_array **out, mq_error *err)
{
    const int column = mq_table_find(t, name);
    mq_array *whole;
    mq_status rc;

    if (column < 0)
        return mq_fail(err, MQ_ERR_INPUT, "--teacher-cache '%s' holds no '%s'", t->path, name);
    if ((rc = mq_table_whole(t, (size_t)column, &whole, err)) != MQ_OK)
        return rc;
    return mq_array_copy(out, whole, err);
}

static mq_status read_cache(const mq_distill_job *j, const char *key, mq_array **out)
{
    mq_array *found = NULL;
    mq_table *t = NULL;
    mq_status rc;

    MQ_TRY(mq_table_npz(&t, j->opts->teacher_cache, j->job.err));
    MQ_TRY(take_column(t, KEY, &found, j->job.err));
    if (mq_array_bytes(found) != MQ_SHA256_HEX - 1 || memcmp(found->data, key, MQ_SHA256_HEX - 1) != 0)
        MQ_TRY(mq_fail(j->job.err, MQ_ERR_INPUT, "--teacher-cache '%s' belongs to another teacher or to other data: "
                       "remove it, or name another", j->opts->teacher_cache));
    for (size_t i = 0; i < j->train.run.n_out; i++) {
        MQ_TRY(take_column(t, j->train.run.outputs[i]->name, &out[i], j->job.err));
        if (out[i]->rank < 1 || out[i]->dims[0] != (int64_t)j->train.samples.n)
            MQ_TRY(mq_fail(j->job.err, MQ_ERR_INPUT, "--teacher-cache '%s': '%s' has no row for each sample",
                           j->opts->teacher_cache, j->train.run.outputs[i]->name));
    }
done:
    mq_array_unref(found);
    mq_table_free(t);
    return rc;
}

/* key NULL: none is written. */
static mq_status write_arrays(const mq_distill_job *j, mq_array *const *arrays, size_t n, const char *key, const char *path)
{
    const int64_t size[1] = { MQ_SHA256_HEX - 1 };
    const mq_data_call call = { .n = (size_t)j->train.samples.n, .rows = (size_t)j->train.samples.n };
    const char **names = mq_arena_calloc(j->teacher->arena, n + 2, sizeof *names);
    mq_array *text = NULL;
    mq_results *r = NULL;
    mq_status rc = MQ_OK;

    if (!names)
        return mq_oom(j->job.err);
    for (size_t i = 0; i < n; i++)
        names[i] = key ? j->train.run.outputs[i]->name : j->teacher->graph->outputs.items[i]->name;
    names[n] = KEY;
    MQ_TRY(mq_results_create(&r, names, n + (key != NULL), j->job.err));
    for (size_t i = 0; i < n; i++)
        MQ_TRY(mq_results_add(r, i, arrays[i], &call, j->job.err));
    if (key) {
        MQ_TRY(mq_array_create(&text, MQ_UINT8, 1, size, j->job.err));
        memcpy(text->data, key, (size_t)size[0]);
        MQ_TRY(mq_results_add(r, n, text, &(mq_data_call){ .n = (size_t)size[0], .rows = 0 }, j->job.err));
    }
    mq_note_file(j->job.hooks, path, true);
    rc = mq_results_save(r, path, true, j->opts->save.sync, j->job.err);
done:
    mq_array_unref(text);
    mq_results_free(r);
    return rc;
}

/* Scores along the class axis become probabilities. */
static mq_status soften(mq_array **out, const mq_array *scores, mq_error *err)
{
    const int axis = mq_class_axis(scores->rank);
    const size_t classes = (size_t)scores->dims[axis];
    size_t inner = 1;
    mq_status rc;

    if ((rc = mq_array_create(out, MQ_FLOAT, scores->rank, scores->dims, err)) != MQ_OK)
        return rc;
    for (int i = axis + 1; i < scores->rank; i++)
        inner *= (size_t)scores->dims[i];
    for (size_t i = 0; classes && i < scores->count / classes; i++) {
        const size_t at = i / inner * inner * classes + i % inner;
        float *p = (*out)->data;
        double most = -INFINITY, sum = 0;

        for (size_t k = 0; k < classes; k++)
            most = fmax(most, mq_array_f64(scores, at + k * inner));
        for (size_t k = 0; k < classes; k++)
            sum += exp(mq_array_f64(scores, at + k * inner) - most);
        for (size_t k = 0; k < classes; k++)
            p[at + k * inner] = (float)(exp(mq_array_f64(scores, at + k * inner) - most) / sum);
    }
    return MQ_OK;
}

static mq_status write_soft(const mq_distill_job *j, mq_array *const *taught)
{
    mq_array **soft = mq_arena_calloc(j->teacher->arena, j->train.n_scores + 1, sizeof *soft);
    mq_status rc = MQ_OK;

    if (!soft)
        return mq_oom(j->job.err);
    for (size_t i = 0; i < j->train.n_scores && rc == MQ_OK; i++) {
        if (j->train.forms[i] == MQ_FORM_CLASSES)
            rc = soften(&soft[i], taught[i], j->job.err);
        else if (j->train.forms[i] == MQ_FORM_ANSWERS)
            rc = mq_train_sigmoid(&soft[i], taught[i], j->job.err);
        else
            soft[i] = mq_array_ref(taught[i]);
    }
    if (rc == MQ_OK)
        rc = write_arrays(j, soft, j->train.n_scores, NULL, j->opts->soft_labels);
    for (size_t i = 0; i < j->train.n_scores; i++)
        mq_array_unref(soft[i]);
    return rc;
}

mq_status mq_distill_ask(void *job, mq_array **out)
{
    mq_distill_job *j = job;
    const char *cache = j->opts->teacher_cache;
    char key[MQ_SHA256_HEX];
    mq_status rc;

    if (cache)
        MQ_TRY(make_key(j, key));
    if (cache && access(cache, F_OK) == 0) {
        mq_note_file(j->job.hooks, cache, false);
        MQ_TRY(read_cache(j, key, out));
    } else {
        MQ_TRY(mq_samples_run(out, &j->train.run, &j->train.samples, j->job.hooks, j->job.err));
        if (cache)
            MQ_TRY(write_arrays(j, out, j->train.run.n_out, key, cache));
    }
    if (j->train.samples.labels && j->train.samples.labels->dtype == MQ_INT64 &&
        j->train.forms[j->train.judged] == MQ_FORM_VALUES)
        j->train.forms[j->train.judged] = MQ_FORM_CLASSES;
    if (j->opts->soft_labels)
        MQ_TRY(write_soft(j, out));
    rc = MQ_OK;
done:
    return rc;
}
