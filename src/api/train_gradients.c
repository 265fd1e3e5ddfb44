/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients of a model on samples, batch after batch, without a training. */
#include <math.h>
#include <stdlib.h>

#include "api/train_job.h"
#include "base/random.h"

enum { BATCH = 4 };

typedef struct probing {
    mq_train_job *job;
    mq_loss_term terms[MQ_MOST_LOSSES];
    size_t output[MQ_MOST_LOSSES];  /* of the teacher's run */
    double rms[MQ_MOST_LOSSES];     /* of that output */
    size_t n_terms;
    bool labels;
    uint64_t batch, step;
} probing;

/* ---- losses --------------------------------------------------------------------------------------------------------- */

static double rms_of(const mq_array *a)
{
    double sum = 0;

    for (size_t i = 0; i < a->count; i++)
        sum += mq_array_f64(a, i) * mq_array_f64(a, i);
    return a->count ? sqrt(sum / (double)a->count) : 0;
}

/* The mean square of N elements against the teacher's plus signs s of size rms has the gradient 2 s rms / N. So weighted it
 * is s / (rms sqrt N): squared and averaged over signs, the square of a change by the power of all elements. */
static mq_status add_output(probing *p, const mq_model *m, size_t i)
{
    const mq_train_job *j = p->job;
    const mq_array *taught = j->taught[i];
    const double rms = mq_dtype_is_float(taught->dtype) ? rms_of(taught) : 0;
    const double n = (double)taught->count / (double)j->samples.n * (double)p->batch;

    if (!(rms > 0) || !isfinite(rms))
        return MQ_OK;
    if (p->n_terms == MQ_MOST_LOSSES)
        return mq_fail(j->err, MQ_ERR_UNSUPPORTED, "more than %d outputs", MQ_MOST_LOSSES);
    p->terms[p->n_terms] = (mq_loss_term){ .kind = MQ_LOSS_MSE, .weight = sqrt(n) / (2 * rms * rms),
                                           .tensor = mq_train_logits(m->graph->outputs.items[i], j->forms[i]) };
    p->rms[p->n_terms] = rms;
    p->output[p->n_terms++] = i;
    return MQ_OK;
}

static mq_status choose_terms(probing *p, const mq_model *m)
{
    const mq_train_job *j = p->job;
    mq_status rc = MQ_OK;

    p->labels = j->samples.n_labelled > 0;
    if (p->labels)
        p->terms[p->n_terms++] = mq_train_label_term(j, m, 1);
    for (size_t i = 0; !p->labels && i < j->n_scores; i++)
        MQ_TRY(add_output(p, m, i));
    if (!p->n_terms)
        rc = mq_fail(j->err, MQ_ERR_INPUT, "every output of the model is zero or no number: there are no gradients");
done:
    return rc;
}

/* ---- batches -------------------------------------------------------------------------------------------------------- */

/* The teacher's numbers and a sign for each. */
static mq_status give_signs(const probing *p, size_t term, const uint64_t *list, mq_array **out)
{
    const mq_train_job *j = p->job;
    const uint64_t seed = mq_random_at(mq_random_at(j->opts->seed, term), p->step);
    mq_array *rows = NULL;
    mq_status rc;

    MQ_TRY(mq_array_rows(&rows, j->taught[p->output[term]], list, p->batch, j->err));
    MQ_TRY(mq_array_create(out, MQ_FLOAT, rows->rank, rows->dims, j->err));
    for (size_t i = 0; i < rows->count; i++)
        ((float *)(*out)->data)[i] = (float)(mq_array_f64(rows, i) +
                                             (mq_random_at(seed, i) & 1 ? p->rms[term] : -p->rms[term]));
done:
    mq_array_unref(rows);
    return rc;
}

typedef struct looking {
    void (*look)(void *user, const mq_parameter *p, const float *gradient);
    void (*end)(void *user);
    void *user;
} looking;

static mq_status run_batch(probing *p, mq_trainer *trainer, const uint64_t *list, const looking *l)
{
    const mq_train_job *j = p->job;
    mq_array *targets[MQ_MOST_LOSSES] = { NULL }, **in = calloc(j->samples.n_in + 1, sizeof *in);
    double loss;
    mq_status rc = MQ_OK;

    if (!in)
        return mq_oom(j->err);
    MQ_TRY(mq_samples_inputs(&j->samples, list, p->batch, in, j->err));
    for (size_t k = 0; k < p->n_terms; k++)
        MQ_TRY(p->labels ? mq_array_rows(&targets[k], j->samples.labels, list, p->batch, j->err) :
                           give_signs(p, k, list, &targets[k]));
    MQ_TRY(mq_trainer_look(trainer, in, targets, l->look, l->user, &loss, j->err));
    l->end(l->user);
done:
    for (size_t i = 0; i < j->samples.n_in; i++)
        mq_array_unref(in[i]);
    for (size_t k = 0; k < p->n_terms; k++)
        mq_array_unref(targets[k]);
    free(in);
    return rc;
}

mq_status mq_train_gradients(mq_train_job *j, mq_model *m,
                             void (*look)(void *user, const mq_parameter *p, const float *gradient),
                             void (*end)(void *user), void *user)
{
    const looking l = { look, end, user };
    probing p = { .job = j, .batch = mq_loop_batch(j->samples.n, BATCH) };
    mq_trainer_opts how = { .losses = p.terms, .batch = (int64_t)p.batch, .fixed_statistics = true,
                            .optimizer = mq_optimizer_opts_default(MQ_OPTIMIZER_SGD),
                            .n_threads = j->hooks ? j->hooks->n_threads : 0 };
    mq_trainer *trainer = NULL;
    uint64_t list[BATCH];
    mq_status rc;

    MQ_TRY(choose_terms(&p, m));
    how.n_losses = p.n_terms;
    MQ_TRY(mq_trainer_create(&trainer, m, &how, j->hooks, j->err));
    for (; (p.step + 1) * p.batch <= j->samples.n; p.step++) {
        for (uint64_t i = 0; i < p.batch; i++)
            list[i] = p.step * p.batch + i;
        MQ_TRY(mq_check_cancelled(j->hooks, j->err));
        MQ_TRY(run_batch(&p, trainer, list, &l));
        mq_progress(j->hooks, "gradients", p.step + 1, j->samples.n / p.batch);
    }
done:
    mq_trainer_free(trainer);
    return rc;
}
