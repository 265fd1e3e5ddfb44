/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a training learns from and is judged on: options checked, a teacher that speaks, samples, labels. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/train_job.h"
#include "base/random.h"
#include "graph/clone.h"
#include "ops/ops.h"
#include "passes/pass.h"
#include "train/loss.h"

extern const mq_pass mq_pass_close_inputs;

mq_status mq_train_check(mq_train_job *j)
{
    const mq_train_opts *t = j->opts;
    static const char *const losses[] = { "kd", "ce", "mse", "cosine" };
    mq_error *err = j->err;
    mq_status rc = MQ_OK;

    j->began = mq_seconds();
    for (size_t i = 0; i < t->losses.n; i++) {
        size_t k = 0;

        while (k < 4 && strcmp(losses[k], t->losses.items[i]) != 0)
            k++;
        if (k == 4)
            return mq_fail(err, MQ_ERR_USAGE, "--loss is kd, ce, mse or cosine, not '%s'", t->losses.items[i]);
    }
    for (size_t i = 0; i < t->augment.n; i++) {
        mq_augment one;

        MQ_TRY(mq_augment_parse(&one, t->augment.items[i], err));
        j->augment.flip |= one.flip;
        j->augment.crop = one.crop ? one.crop : j->augment.crop;
    }
    if (!(t->alpha >= 0 && t->alpha <= 1))
        return mq_fail(err, MQ_ERR_USAGE, "--alpha is from 0 to 1, not %g", t->alpha);
    if (t->resume && !t->checkpoint)
        return mq_fail(err, MQ_ERR_USAGE, "--resume goes on from --checkpoint DIR, which is not given");
    if (!(t->temperature > 0))
        rc = mq_fail(err, MQ_ERR_USAGE, "--temperature is more than 0, not %g", t->temperature);
done:
    return rc;
}

/* ---- the teacher ---------------------------------------------------------------------------------------------------- */

mq_status mq_train_plain(mq_model *m, mq_error *err)
{
    const mq_pass_ctx none = { 0 };
    size_t n = 0;
    mq_status rc;

    MQ_TRY(mq_pass_run(&mq_pass_close_inputs, m->graph, &none, &n, err));
    MQ_TRY(mq_model_inline_functions(m, &n, err));
    MQ_TRY(mq_graph_sort(m->graph, &n, err));
    MQ_TRY(mq_infer_model(m, NULL, NULL, err));
done:
    return rc;
}

/* Which output is judged. */
static mq_status find_judged(mq_train_job *j, const mq_graph *g)
{
    const char *name = j->metric_output;

    for (j->judged = 0; name && j->judged < g->outputs.n; j->judged++)
        if (strcmp(g->outputs.items[j->judged]->name, name) == 0)
            break;
    if (j->judged >= g->outputs.n)
        return name ? mq_fail(j->err, MQ_ERR_USAGE, "--metric-output: the model has no output '%s'", name) :
                      mq_fail(j->err, MQ_ERR_INPUT, "the model has no outputs");
    j->judge.output = j->judged;
    return MQ_OK;
}

mq_status mq_train_open(mq_train_job *j, mq_model *teacher)
{
    const mq_graph *g = teacher->graph;
    const size_t n = g->outputs.n, n_hints = j->hints.n;
    const char **names = mq_arena_calloc(teacher->arena, n + n_hints + 1, sizeof *names);
    mq_status rc = MQ_OK;

    j->forms = mq_arena_calloc(teacher->arena, n + 1, sizeof *j->forms);
    if (!names || !j->forms)
        return mq_oom(j->err);
    j->teacher = teacher;
    MQ_TRY(find_judged(j, g));
    for (size_t i = 0; i < n; i++) {
        mq_value *logits;

        j->forms[i] = mq_loss_logits(g->outputs.items[i], &logits, NULL) ? MQ_FORM_CLASSES :
                      mq_loss_sigmoid(g->outputs.items[i], &logits)      ? MQ_FORM_ANSWERS : MQ_FORM_VALUES;
        names[i] = logits->name;
    }
    for (size_t i = 0; i < n_hints; i++) {
        const char *hint = j->hints.items[i], *end = strrchr(hint, '=');

        if (!end || end == hint || !end[1])
            return mq_fail(j->err, MQ_ERR_USAGE, "--hint takes TEACHER=STUDENT, not '%s'", hint);
        names[n + i] = mq_arena_printf(teacher->arena, "%.*s", (int)(end - hint), hint);
        if (!names[n + i])
            return mq_oom(j->err);
        MQ_TRY(mq_need_tensors(teacher, "--hint", &names[n + i], 1, j->err));
    }
    j->n_scores = n;
    rc = mq_running_open(&j->run, teacher, &(mq_plan_opts){ .outputs = names, .n_outputs = n + n_hints }, j->hooks,
                         j->err);
done:
    return rc;
}

/* ---- data ----------------------------------------------------------------------------------------------------------- */

/* A share of the samples is held out: they are drawn by the seed. What the teacher says of the others stays with them. */
static mq_status hold_out(mq_train_job *j)
{
    mq_samples all = j->samples;
    const uint64_t n = all.n, held = (uint64_t)llround(j->val_split * (double)n);
    uint64_t *order = malloc((n + 1) * sizeof *order);
    mq_status rc = MQ_OK;

    if (!order)
        return mq_oom(j->err);
    j->samples = (mq_samples){ .n = 0 };
    mq_random_order(order, n, mq_random_at(j->opts->seed, UINT64_MAX));
    for (size_t i = 0; j->taught && i < j->run.n_out && rc == MQ_OK; i++) {
        mq_array *part = NULL;

        if (held < n && (rc = mq_array_rows(&part, j->taught[i], order + held, n - held, j->err)) == MQ_OK) {
            mq_array_unref(j->taught[i]);
            j->taught[i] = part;
        }
    }
    if (rc == MQ_OK && (!held || held >= n))
        MQ_TRY(mq_fail(j->err, MQ_ERR_USAGE, "--val-split %g of %llu samples leaves nothing to judge or to train on",
                       j->val_split, (unsigned long long)n));
    MQ_TRY(mq_samples_take(&j->judge.samples, &all, order, held, j->err));
    MQ_TRY(mq_samples_take(&j->samples, &all, order + held, n - held, j->err));
    j->judge.held_out = true;
done:
    free(order);
    mq_samples_release(&all);
    return rc;
}

static void forget(mq_train_job *j)
{
    for (size_t i = 0; j->taught && i < j->run.n_out; i++)
        mq_array_unref(j->taught[i]);
    free(j->taught);
    j->taught = NULL;
}

/* The teacher's outputs are known beforehand, unless each step will have other images. */
static mq_status ask(mq_train_job *j)
{
    if (j->dry_run || (mq_augment_any(&j->augment) && !j->ask_anyhow))
        return MQ_OK;
    if (!(j->taught = calloc(j->run.n_out + 1, sizeof *j->taught)))
        return mq_oom(j->err);
    return j->ask ? j->ask(j->owner, j->taught) : mq_samples_run(j->taught, &j->run, &j->samples, j->hooks, j->err);
}

static mq_status read_data(mq_train_job *j)
{
    mq_status rc;

    if (!j->train_on->n_data)
        return mq_fail(j->err, MQ_ERR_USAGE, "--data is what is learned from: it has to be given");
    MQ_TRY(mq_samples_read(&j->samples, j->train_on, &j->run, j->hooks, j->note, j->user, j->err));
    MQ_TRY(ask(j));
    if (j->judge_on->n_data)
        MQ_TRY(mq_samples_read(&j->judge.samples, j->judge_on, &j->run, j->hooks, j->note, j->user, j->err));
    else
        MQ_TRY(hold_out(j));
    if (mq_augment_any(&j->augment))
        forget(j);
done:
    return rc;
}

static bool is_judged_by_classes(const mq_train_job *j)
{
    const mq_array *labels = j->judge.samples.n_labelled ? j->judge.samples.labels : NULL;

    return labels ? labels->dtype == MQ_INT64 : j->forms[j->judged] == MQ_FORM_CLASSES;
}

/* What models are judged by, and how the teacher does. */
static mq_status settle(mq_train_job *j)
{
    mq_array **out = calloc(j->run.n_out + 1, sizeof *out);
    mq_error *err = j->err;
    mq_array *truth = NULL;
    const mq_array *scores;
    mq_status rc = MQ_OK;

    if (!out)
        return mq_oom(err);
    MQ_TRY(mq_samples_run(out, &j->run, &j->judge.samples, j->hooks, err));
    scores = out[j->judged];
    MQ_TRY(mq_train_labels(j, scores));
    if (j->forms[j->judged] == MQ_FORM_ANSWERS)
        MQ_TRY(mq_train_sigmoid(&truth, scores, err));
    MQ_TRY(mq_judge_settle(&j->judge, truth ? truth : scores, is_judged_by_classes(j), j->metric, err));
    rc = mq_judge_teacher(&j->judge, j->teacher, j->hooks, &j->teacher_metric, err);
done:
    for (size_t i = 0; i < j->run.n_out; i++)
        mq_array_unref(out[i]);
    mq_array_unref(truth);
    free(out);
    return rc;
}

mq_status mq_train_read(mq_train_job *j)
{
    const mq_status rc = read_data(j);

    return rc == MQ_OK ? settle(j) : rc;
}

void mq_train_close(mq_train_job *j)
{
    mq_samples_release(&j->samples);
    mq_judge_release(&j->judge);
    forget(j);
    mq_running_close(&j->run);
}

double mq_train_drop_scale(const mq_train_job *j, double got)
{
    const double was = j->teacher_metric;

    return (got > 1 || was > 1 || got < 0 || was < 0) && was != 0 ? 1 / fabs(was) : 1;
}

double mq_train_drop(const mq_train_job *j, double got)
{
    const double worse = got - j->teacher_metric, scale = mq_train_drop_scale(j, got);

    return mq_metric_lower_is_better(j->judge.metric) ? worse * scale : -worse * scale;
}
