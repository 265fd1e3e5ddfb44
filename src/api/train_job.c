/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One training: which losses there are, where their targets come from, and the loop. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/train_job.h"
#include "base/hash.h"
#include "report/report.h"
#include "train/loss.h"

#define SHORTEST 1e-6 /* seconds: 0 is no limit */

typedef struct training {
    mq_train_job *job;
    const mq_samples *samples;
    const mq_train_call *call;
    uint64_t *labelled;  /* control: the samples that have a label, of which it learns in turns */
    mq_loss_term terms[MQ_MOST_LOSSES];
    mq_target_kind from[MQ_MOST_LOSSES];
    size_t output[MQ_MOST_LOSSES]; /* of the teacher's run */
    size_t n_terms;
} training;

/* ---- losses --------------------------------------------------------------------------------------------------------- */

static bool wants(const mq_train_job *j, const char *loss)
{
    const mq_names *list = &j->opts->losses;

    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i], loss) == 0)
            return true;
    return !list->n && (strcmp(loss, "kd") == 0 || strcmp(loss, "ce") == 0);
}

static mq_status add_term(training *t, mq_loss_term term, mq_target_kind from, size_t output)
{
    if (t->n_terms == MQ_MOST_LOSSES)
        return mq_fail(t->job->err, MQ_ERR_USAGE, "more than %d losses", MQ_MOST_LOSSES);
    t->terms[t->n_terms] = term;
    t->from[t->n_terms] = from;
    t->output[t->n_terms++] = output;
    return MQ_OK;
}

/* What is learned from labels: classes, answers or values. A weight of 0 would count as 1. */
mq_loss_term mq_train_label_term(const mq_train_job *j, const mq_model *m, double share)
{
    const bool classes = j->samples.labels->dtype == MQ_INT64;
    const mq_loss_kind kind = classes ? MQ_LOSS_CE : j->samples.answers ? MQ_LOSS_BCE : MQ_LOSS_MSE;

    return (mq_loss_term){ .kind = kind, .tensor = m->graph->outputs.items[j->judged]->name, .weight = share,
                           .smoothing = kind == MQ_LOSS_MSE ? 0 : j->opts->label_smoothing };
}

static mq_status add_labels(training *t, const mq_model *m, double share)
{
    return share > 0 ? add_term(t, mq_train_label_term(t->job, m, share), MQ_TARGET_LABELS, 0) : MQ_OK;
}

/* How scores of that form are learned from the teacher's. */
static mq_loss_kind kd_loss(const mq_train_opts *o, mq_form form, mq_target_kind *from)
{
    *from = MQ_TARGET_TEACHER;
    if (form == MQ_FORM_VALUES)
        return MQ_LOSS_MSE;
    if (!o->hard)
        return form == MQ_FORM_CLASSES ? MQ_LOSS_KL : MQ_LOSS_BINARY_KL;
    *from = form == MQ_FORM_CLASSES ? MQ_TARGET_BEST : MQ_TARGET_SIGN;
    return form == MQ_FORM_CLASSES ? MQ_LOSS_CE : MQ_LOSS_BCE;
}

/* What is compared with the teacher's logits as values. */
const char *mq_train_logits(mq_value *output, mq_form form)
{
    mq_value *logits = output;

    if (form == MQ_FORM_CLASSES)
        mq_loss_logits(output, &logits, NULL);
    else if (form == MQ_FORM_ANSWERS)
        mq_loss_sigmoid(output, &logits);
    return logits->name;
}

static mq_status add_teacher(training *t, const mq_model *m, const char *loss, double share)
{
    const mq_train_job *j = t->job;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < j->n_scores && share > 0; i++) {
        mq_loss_term term = { .kind = MQ_LOSS_MSE, .tensor = m->graph->outputs.items[i]->name,
                              .weight = share / (double)j->n_scores, .temperature = j->opts->temperature };
        mq_target_kind from = MQ_TARGET_TEACHER;

        if (strcmp(loss, "kd") == 0)
            term.kind = kd_loss(j->opts, j->forms[i], &from);
        else if (strcmp(loss, "cosine") == 0)
            term.kind = MQ_LOSS_COSINE;
        if (term.kind == MQ_LOSS_MSE || term.kind == MQ_LOSS_COSINE)
            term.tensor = mq_train_logits(m->graph->outputs.items[i], j->forms[i]);
        MQ_TRY(add_term(t, term, from, i));
    }
done:
    return rc;
}

static int64_t channels_of(const mq_value *v)
{
    const mq_type *type = v->type ? v->type : v->declared;

    if (!type || type->kind != MQ_TYPE_TENSOR || type->rank < 1)
        return 0;
    return type->dims[mq_class_axis(type->rank)].value;
}

static mq_status add_hints(training *t, mq_model *m)
{
    const mq_train_job *j = t->job;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < j->hints.n; i++) {
        const char *name = strrchr(j->hints.items[i], '=') + 1; /* the form has been checked */
        const mq_loss_term term = { .kind = MQ_LOSS_HINT, .tensor = name, .weight = 1, .seed = j->opts->seed + i,
                                    .channels = channels_of(j->run.outputs[j->n_scores + i]) };

        MQ_TRY(mq_need_tensors(m, "--hint", &name, 1, j->err));
        MQ_TRY(add_term(t, term, MQ_TARGET_TEACHER, j->n_scores + i));
    }
done:
    return rc;
}

static mq_status choose_losses(training *t, mq_model *m)
{
    static const char *const by_teacher[] = { "kd", "mse", "cosine" };
    const mq_train_job *j = t->job;
    const bool labels = t->samples->n_labelled && (t->call->control || wants(j, "ce"));
    size_t n = 0;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < 3 && !t->call->control; i++)
        n += wants(j, by_teacher[i]);
    if (labels)
        MQ_TRY(add_labels(t, m, n ? 1 - j->opts->alpha : 1));
    for (size_t i = 0; i < 3 && !t->call->control; i++)
        if (wants(j, by_teacher[i]))
            MQ_TRY(add_teacher(t, m, by_teacher[i], (labels ? j->opts->alpha : 1) / (double)n));
    if (!t->call->control)
        MQ_TRY(add_hints(t, m));
    if (!t->n_terms)
        rc = mq_fail(j->err, MQ_ERR_USAGE, t->samples->n_labelled ? "--loss and --alpha leave nothing to learn from" :
                                                                          "--loss ce needs --labels");
done:
    return rc;
}

/* ---- batches -------------------------------------------------------------------------------------------------------- */

/* The samples that are meant: the control learns of the labelled ones in turns, so that it has as many steps. */
static const uint64_t *meant(const training *t, const uint64_t *samples, size_t n, uint64_t *room)
{
    for (size_t i = 0; i < n && t->labelled; i++)
        room[i] = t->labelled[samples[i] % t->samples->n_labelled];
    return t->labelled ? room : samples;
}

static mq_status give_inputs(void *user, const uint64_t *samples, size_t n, mq_array **in, mq_error *err)
{
    const training *t = user;
    uint64_t *room = malloc((n + 1) * sizeof *room);
    const mq_status rc = room ? mq_samples_inputs(t->samples, meant(t, samples, n, room), n, in, err) : mq_oom(err);

    free(room);
    return rc;
}

static mq_status rows(const training *t, mq_array **out, const mq_array *a, const uint64_t *samples, size_t n, mq_error *err)
{
    uint64_t *room = malloc((n + 1) * sizeof *room);
    const mq_status rc = room ? mq_array_rows(out, a, meant(t, samples, n, room), n, err) : mq_oom(err);

    free(room);
    return rc;
}

/* Logits above 0 are a yes. */
static mq_status decide(mq_array **out, const mq_array *logits, mq_error *err)
{
    const mq_status rc = mq_array_create(out, MQ_FLOAT, logits->rank, logits->dims, err);

    for (size_t i = 0; rc == MQ_OK && i < logits->count; i++)
        ((float *)(*out)->data)[i] = mq_array_f64(logits, i) > 0;
    return rc;
}

static mq_status give_teacher(const training *t, size_t k, const uint64_t *samples, size_t n, mq_array **out, mq_error *err)
{
    const mq_train_job *j = t->job;
    mq_array *scores = NULL;
    mq_status rc = MQ_OK;

    if (j->taught)
        MQ_TRY(rows(t, &scores, j->taught[t->output[k]], samples, n, err));
    else
        scores = mq_array_ref(j->run.out[t->output[k]]);
    if (t->from[k] == MQ_TARGET_BEST) {
        rc = mq_best_classes(out, scores, err);
    } else if (t->from[k] == MQ_TARGET_SIGN) {
        rc = decide(out, scores, err);
    } else {
        *out = scores;
        scores = NULL;
    }
done:
    mq_array_unref(scores);
    return rc;
}

static mq_status give_targets(void *user, const uint64_t *samples, size_t n, mq_array *const *in, mq_array **targets,
                              mq_error *err)
{
    training *t = user;
    mq_train_job *j = t->job;
    mq_status rc = MQ_OK;

    if (!j->taught && !t->call->control)
        MQ_TRY(mq_running_run(&j->run, in, err));
    for (size_t k = 0; k < t->n_terms; k++)
        MQ_TRY(t->from[k] == MQ_TARGET_LABELS ? rows(t, &targets[k], t->samples->labels, samples, n, err) :
                                                give_teacher(t, k, samples, n, &targets[k], err));
done:
    return rc;
}

static mq_status list_labelled(training *t)
{
    const mq_samples *s = t->samples;
    uint64_t at = 0;

    if (!(t->labelled = malloc((s->n_labelled + 1) * sizeof *t->labelled)))
        return mq_oom(t->job->err);
    for (uint64_t i = 0; i < s->n; i++)
        if (mq_samples_labelled(s, i))
            t->labelled[at++] = i;
    return MQ_OK;
}

/* ---- the loop ------------------------------------------------------------------------------------------------------- */

static mq_status judge(void *user, mq_model *m, double *metric, mq_error *err)
{
    const training *t = user;

    return mq_judge_model(&t->job->judge, m, t->job->hooks, metric, err);
}

static void say(void *user, const mq_loop_report *r)
{
    const training *t = user;
    const mq_train_job *j = t->job;
    char metric[80] = "";

    if (!t->call->unjudged)
        snprintf(metric, sizeof metric, ", %s %.5g", mq_metric_name(j->judge.metric), r->metric);
    if (r->end_of_epoch)
        mq_tell(j->detail, j->user, "%sepoch %llu of %llu: loss %.5g%s, rate %.3g, %.0f samples/s%s", t->call->label,
                (unsigned long long)r->epoch + 1, (unsigned long long)r->n_epochs, r->loss, metric, r->lr, r->rate,
                r->best && !t->call->unjudged ? ", the best so far" : "");
}

/* The payloads of m's initializers, into a hash. */
static mq_status chain_weights(const mq_model *m, char hex[MQ_SHA256_HEX], mq_error *err)
{
    char part[MQ_SHA256_HEX];
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < m->graph->inits.n; i++) {
        mq_tensor *t = m->graph->inits.items[i]->init;
        const void *data;

        if (!t || t->dtype == MQ_STRING)
            continue;
        MQ_TRY(mq_tensor_bytes(t, &data, err));
        mq_sha256_bytes(data, (size_t)mq_tensor_size(t), part);
        mq_sha256_chain(hex, part);
    }
done:
    return rc;
}

mq_status mq_train_key(const mq_train_job *j, mq_model *m, const mq_train_call *call, char hex[MQ_SHA256_HEX])
{
    const mq_train_opts *o = j->opts;
    char text[400], *dump = mq_model_dump(m);
    mq_status rc = MQ_OK;

    if (!dump)
        return mq_oom(j->err);
    *hex = '\0';
    snprintf(text, sizeof text, "%s %.17g %.17g %.17g %.17g %s %llu %.17g %.17g %.17g %d %llu %d", o->optimizer, o->lr,
             o->momentum, o->weight_decay, o->clip_grad, o->lr_schedule, (unsigned long long)o->lr_warmup, o->temperature,
             o->alpha, o->label_smoothing, o->hard, (unsigned long long)o->early_stop, call->control);
    mq_sha256_chain(hex, text);
    mq_sha256_chain(hex, dump);
    MQ_TRY(chain_weights(m, hex, j->err));
    MQ_TRY(mq_samples_hash(&j->samples, hex, j->err));
    for (size_t i = 0; i < o->losses.n; i++)
        mq_sha256_chain(hex, o->losses.items[i]);
done:
    free(dump);
    return rc;
}

static mq_status open_checkpoint(training *t, mq_model *m, mq_loop_opts *o, char *key)
{
    const char *folder = t->job->opts->checkpoint;
    mq_error *err = t->job->err;
    mq_status rc;

    if (!folder)
        return MQ_OK;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return mq_fail_errno(err, MQ_ERR_SYSTEM, "make the folder", folder);
    if (!t->call->key && (rc = mq_train_key(t->job, m, t->call, key)) != MQ_OK)
        return rc;
    o->key = t->call->key ? t->call->key : key;
    o->checkpoint = mq_arena_printf(m->arena, "%s/%s.ckpt", folder, t->call->name);
    return o->checkpoint ? MQ_OK : mq_oom(err);
}

/* Trainings share what is left of the time, in equal parts; 0: there is no limit. */
static double seconds_left(mq_train_job *j)
{
    const double left = j->began + j->opts->time_limit - mq_seconds();
    const double share = left / (double)(j->n_trainings > 1 ? j->n_trainings : 1);

    if (!(j->opts->time_limit > 0))
        return 0;
    j->n_trainings -= j->n_trainings > 0;
    return share > SHORTEST ? share : SHORTEST;
}

static mq_status loop_opts(const training *t, mq_loop_opts *out)
{
    const mq_train_opts *o = t->job->opts;

    *out = (mq_loop_opts){ .epochs = o->epochs, .batch = mq_loop_batch(t->samples->n, o->batch), .seed = t->call->seed,
                           .augment = t->job->augment, .patience = o->early_stop, .report = say,
                           .evaluate = t->call->unjudged ? NULL : judge,
                           .user = (void *)(uintptr_t)t, .resume = o->resume,
                           .lower_is_better = mq_metric_lower_is_better(t->job->judge.metric),
                           .time_limit = seconds_left(t->job), .part = t->call->part, .n_parts = t->call->n_parts,
                           .schedule = { .lr = o->lr, .warmup = o->lr_warmup } };
    if (!mq_schedule_find(o->lr_schedule, &out->schedule.kind))
        return mq_fail(t->job->err, MQ_ERR_USAGE, "--lr-schedule: there is no schedule '%s'", o->lr_schedule);
    return MQ_OK;
}

static mq_status trainer_opts(const training *t, const mq_loop_opts *loop, mq_trainer_opts *out)
{
    const mq_train_opts *o = t->job->opts;
    mq_optimizer_kind kind;

    if (!mq_optimizer_find(o->optimizer, &kind))
        return mq_fail(t->job->err, MQ_ERR_USAGE, "--optimizer: there is no optimizer '%s'", o->optimizer);
    *out = (mq_trainer_opts){ .losses = t->terms, .n_losses = t->n_terms, .batch = (int64_t)loop->batch,
                              .optimizer = mq_optimizer_opts_default(kind),
                              .fixed_statistics = t->call->fixed_statistics,
                              .n_threads = t->job->hooks ? t->job->hooks->n_threads : 0 };
    out->optimizer.momentum = o->momentum;
    out->optimizer.weight_decay = o->weight_decay;
    out->optimizer.clip = o->clip_grad;
    return MQ_OK;
}

static mq_status set_masks(mq_trainer *trainer, const mq_train_call *call, mq_error *err)
{
    size_t n;
    const mq_parameter *p = mq_trainer_parameters(trainer, &n);
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n && rc == MQ_OK; i++)
        for (size_t k = 0; k < call->n_masks && rc == MQ_OK; k++)
            if (!p[i].extra && p[i].count == call->masks[k].n && strcmp(p[i].name, call->masks[k].name) == 0)
                rc = mq_trainer_set_mask(trainer, i, call->masks[k].mask, err);
    return rc;
}

mq_status mq_train_run(mq_train_job *j, mq_model *m, const mq_train_call *call, mq_loop_result *out)
{
    training t = { .job = j, .samples = &j->samples, .call = call };
    const mq_loop_source source = { .user = &t, .n = j->samples.n, .inputs = give_inputs, .targets = give_targets };
    char key[MQ_SHA256_HEX] = "";
    mq_trainer *trainer = NULL;
    mq_trainer_opts how;
    mq_loop_opts loop;
    mq_status rc = MQ_OK;

    MQ_TRY(choose_losses(&t, m));
    if (call->control)
        MQ_TRY(list_labelled(&t));
    MQ_TRY(loop_opts(&t, &loop));
    MQ_TRY(trainer_opts(&t, &loop, &how));
    MQ_TRY(open_checkpoint(&t, m, &loop, key));
    MQ_TRY(mq_trainer_create(&trainer, m, &how, j->hooks, j->err));
    MQ_TRY(set_masks(trainer, call, j->err));
    MQ_TRY(mq_loop_run(out, trainer, m, &source, &loop, j->hooks, j->err));
    if (out->out_of_time)
        mq_warn(j->hooks, "training-time-limit", "", "%sthe time is up: %zu of %llu epochs are trained", call->label,
                out->n_epochs, (unsigned long long)loop.epochs);
    rc = mq_trainer_store(trainer, m, j->err);
done:
    free(t.labelled);
    mq_trainer_free(trainer);
    return rc;
}

void mq_train_report(const mq_train_job *j, mq_report *r, const char *model, const mq_loop_result *l)
{
    json_t *t = mq_report_append(r, mq_report_section(r, "training")), *list;

    mq_report_put_text(r, t, "model", model);
    mq_report_put_text(r, t, "metric", mq_metric_name(j->judge.metric));
    mq_report_put_int(r, t, "best", (int64_t)l->best + 1);
    mq_report_put_int(r, t, "steps", (int64_t)l->steps);
    list = mq_report_array(r, t, "epochs");
    for (size_t i = 0; i < l->n_epochs; i++) {
        json_t *e = mq_report_append(r, list);

        mq_report_put_int(r, e, "epoch", (int64_t)i + 1);
        mq_report_put_real(r, e, "loss", l->epochs[i].loss);
        mq_report_put_real(r, e, "metric", l->epochs[i].metric);
        mq_report_put_real(r, e, "rate", l->epochs[i].lr);
    }
}

