/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What every command does that makes one model file of another, before and after its own work. */
#include "api/job.h"

#include <stdlib.h>
#include <string.h>

#include "api/prove.h"
#include "api/running.h"
#include "api/sound.h"
#include "base/hash.h"
#include "base/str.h"
#include "model/external.h"
#include "mq/check.h"
#include "report/report.h"

mq_status mq_job_end_step(mq_job *j, const char *name)
{
    double t = mq_seconds();
    mq_status rc = mq_report_add_step(j->report, name, t - j->since, j->err);

    j->since = t;
    return rc;
}

/* ---- input -------------------------------------------------------------------------------------------------------- */

mq_status mq_job_report_file(const mq_job *j, const char *role, const char *path, uint64_t bytes)
{
    char hex[MQ_SHA256_HEX];
    mq_status rc = MQ_OK;

    if (j->opts.hash && strcmp(path, "-") != 0)
        rc = mq_sha256_file(path, hex, j->err);
    if (rc == MQ_OK)
        mq_report_add_file(j->report, role, path, bytes, j->opts.hash && strcmp(path, "-") != 0 ? hex : NULL);
    return rc;
}

/* Sizes before, and the external files for those who keep track. */
static mq_status describe_input(mq_job *j, const mq_model *m)
{
    mq_map seen = { 0 };
    mq_status rc = MQ_OK;

    j->bytes_before += m->file_bytes;
    for (size_t i = 0; i < m->part_files.n; i++)
        mq_note_file(j->hooks, m->part_files.items[i], false);
    for (size_t i = 0; i < m->graphs.n; i++)
        for (size_t k = 0; rc == MQ_OK && k < m->graphs.items[i]->inits.n; k++) {
            const mq_tensor *t = m->graphs.items[i]->inits.items[k]->init;
            char *path = NULL;
            if (!t || t->storage != MQ_STORE_EXTERNAL)
                continue;
            j->data_before += mq_tensor_size(t) > 0 ? (uint64_t)mq_tensor_size(t) : 0;
            if (mq_map_get(&seen, t->external.location))
                continue;
            if ((rc = mq_external_path(m, t->external.location, &path, j->err)) != MQ_OK)
                break;
            mq_note_file(j->hooks, path, false);
            free(path);
            rc = mq_map_put(&seen, t->external.location, (void *)t) ? MQ_OK : mq_oom(j->err);
        }
    mq_map_release(&seen);
    return rc;
}

mq_status mq_job_open_one(mq_job *j, const char *input, mq_model **out)
{
    mq_model *m = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_model_load(&m, input, j->err));
    MQ_TRY(describe_input(j, m));
    MQ_TRY(mq_sound_mend(m, input, j->hooks, j->err));
    MQ_TRY(mq_sound_check(m, input, NULL, j->hooks, j->err));
    MQ_TRY(mq_job_report_file(j, "input", input, m->file_bytes));
    *out = m;
    m = NULL;
done:
    mq_model_free(m);
    return rc;
}

mq_status mq_job_open(mq_job *j)
{
    const mq_status rc = mq_job_open_one(j, j->input, &j->model);

    if (rc == MQ_OK)
        mq_report_set_model(j->report, MQ_REPORT_BEFORE, j->model, j->bytes_before, j->data_before);
    return rc;
}

void mq_job_close(mq_job *j)
{
    mq_model_free(j->plain); /* borrows from the other */
    mq_model_free(j->model);
    j->plain = j->model = NULL;
}

/* ---- bounds ------------------------------------------------------------------------------------------------------- */

static mq_status add_size_bound(const mq_job *j)
{
    uint64_t before = j->bytes_before + j->data_before, after = j->after.model_bytes + j->after.data_bytes;
    double ratio = before ? (double)after / (double)before : 0;
    const mq_job_opts *o = &j->opts;
    mq_str asked = { 0 }, got = { 0 };
    bool pass = (!(o->max_size_ratio > 0) || ratio <= o->max_size_ratio) && (!o->max_size || after <= o->max_size);
    mq_status rc = MQ_OK;

    if (!(o->max_size_ratio > 0) && !o->max_size)
        return MQ_OK;
    mq_str_add(&asked, "<= ");
    if (o->max_size)
        mq_str_add_bytes(&asked, o->max_size);
    else
        mq_str_addf(&asked, "%.4g%%", o->max_size_ratio * 100);
    mq_str_add_bytes(&got, after);
    mq_str_addf(&got, " (%.1f%%)", ratio * 100);
    if (asked.failed || got.failed)
        rc = mq_oom(j->err);
    else
        rc = mq_report_add_bound(j->report, "max-size", asked.s, got.s, pass, j->err);
    mq_str_release(&asked);
    mq_str_release(&got);
    return rc;
}

bool mq_job_missed(const mq_job *j)
{
    return mq_report_n_missed(j->report) > 0 || (j->opts.strict && mq_report_n_warnings(j->report) > 0);
}

/* ---- output ------------------------------------------------------------------------------------------------------- */

/* Reads the written files and checks them as a stranger would; then runs them, where that is asked for or cheap. */
static mq_status verify(mq_job *j, const mq_saving *saving)
{
    const mq_proof_opts proof = { .verify = j->opts.verify, .source = j->opts.verify_on,
                                  .input = j->original ? j->original : j->input,
                                  .input_bytes = j->bytes_before + j->data_before, .min_sqnr = j->opts.min_sqnr,
                                  .ceiling = j->opts.ceiling, .plain = j->plain, .speed = j->opts.speed,
                                  .expected_sqnr = j->opts.expected_sqnr, .prepare = j->prepare, .user = j->user };
    mq_model *m = NULL;
    mq_check_result *result = NULL;
    mq_status rc = MQ_OK;

    if (j->opts.verify == MQ_VERIFY_NONE && !mq_proof_runs(&proof)) {
        mq_report_set_model(j->report, MQ_REPORT_AFTER, j->model, j->after.model_bytes, j->after.data_bytes);
        mq_report_set_proof(j->report, "none", true, NULL);
        return MQ_OK;
    }
    MQ_TRY(mq_saving_reload(saving, &m, j->err));
    mq_report_set_model(j->report, MQ_REPORT_AFTER, m, j->after.model_bytes, j->after.data_bytes);
    MQ_TRY(mq_check(m, NULL, NULL, j->hooks, &result, j->err));
    mq_report_set_proof(j->report, "load", result->valid, "the written file was read again and checked");
    if (!result->valid)
        rc = mq_fail(j->err, MQ_ERR_SYSTEM, "%s: the written model is not valid: %s: %s (please report this)", j->output,
                     result->n_findings ? result->findings[0].place : "",
                     result->n_findings ? result->findings[0].text : "");
    else if (j->look)
        rc = j->look(j->user, m);
    if (rc == MQ_OK && mq_proof_runs(&proof))
        rc = j->prove ? j->prove(j->user, m, j->err) : mq_prove_run(&proof, m, j->report, j->hooks, j->err);
done:
    mq_check_result_free(result);
    mq_model_free(m);
    return rc;
}

/* Puts a result that missed a bound where the user wants it, if anywhere. */
static mq_status keep_failed(mq_job *j)
{
    mq_save_opts save = j->opts.save;

    if (!j->opts.keep_failed)
        return MQ_OK;
    save.force = true;
    save.external_file = NULL; /* that name may belong to the pair that stays in place */
    return mq_model_save(j->model, j->opts.keep_failed, &save, j->hooks, NULL, j->err);
}

static mq_status put_in_place(mq_job *j, mq_saving *saving)
{
    const char *data;
    uint64_t bytes;
    mq_status rc = MQ_OK;

    for (size_t i = 0; (data = mq_saving_data_file(saving, i, &bytes)); i++) {
        char *copy = mq_arena_strdup(j->model->arena, data);
        if (!copy) {
            mq_saving_abort(saving);
            return mq_oom(j->err);
        }
        mq_note_file(j->hooks, copy, true);
        mq_report_add_file(j->report, "output-data", copy, bytes, NULL);
    }
    MQ_TRY(mq_saving_commit(saving, j->err));
    if ((rc = mq_job_report_file(j, "output", j->output, j->after.model_bytes)) != MQ_OK)
        mq_error_prefix(j->err, "the model was written and stays in place, but not its report");
done:
    return rc;
}

static mq_status write_output(mq_job *j, const char *step, mq_status (*facts)(void *user), void *user)
{
    mq_saving *saving = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_saving_begin(&saving, j->model, j->output, &j->opts.save, j->hooks, j->err));
    j->after = mq_saving_sizes(saving);
    if (facts)
        MQ_TRY(facts(user));
    MQ_TRY(mq_job_end_step(j, step));
    MQ_TRY(verify(j, saving));
    if (j->judge)
        MQ_TRY(j->judge(j->user));
    MQ_TRY(mq_job_end_step(j, "verify"));
    MQ_TRY(add_size_bound(j));
    if (mq_job_missed(j)) {
        rc = keep_failed(j);
        goto done;
    }
    rc = put_in_place(j, saving);
    saving = NULL;
done:
    mq_saving_abort(saving);
    return rc;
}

static mq_status estimate_output(mq_job *j, mq_status (*facts)(void *user), void *user)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_saving_estimate(j->model, j->output, &j->opts.save, &j->after, j->err));
    mq_report_set_model(j->report, MQ_REPORT_AFTER, j->model, j->after.model_bytes, j->after.data_bytes);
    mq_report_set_proof(j->report, "none", true, "dry run: nothing was written");
    if (facts)
        MQ_TRY(facts(user));
    MQ_TRY(add_size_bound(j));
done:
    return rc;
}

mq_status mq_job_finish(mq_job *j, const char *step, mq_status (*facts)(void *user), void *user)
{
    return j->opts.dry_run ? estimate_output(j, facts, user) : write_output(j, step, facts, user);
}
