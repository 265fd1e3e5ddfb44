/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Rounds of pruning and training. What a round changes is a list of named numbers (a checkpoint's records), taken from the
 * model that was trained and given to the one that is pruned: the same way whether the round was trained now or is read
 * again. */
#include "api/prune_tune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "distill/derive.h"
#include "graph/clone.h"
#include "ops/ops.h"
#include "passes/channel.h"
#include "train/checkpoint.h"

#define WEIGHT "weight " /* records: a constant's numbers, by its name */
#define BIAS "bias "     /* the bias of a convolution that had none, by the convolution's output */

/* ---- schedules ------------------------------------------------------------------------------------------------------ */

bool mq_prune_schedule_find(const char *name, mq_prune_schedule *out)
{
    if (strcmp(name, "cubic") != 0 && strcmp(name, "linear") != 0)
        return false;
    *out = strcmp(name, "cubic") == 0 ? MQ_PRUNE_CUBIC : MQ_PRUNE_LINEAR;
    return true;
}

double mq_prune_schedule_at(mq_prune_schedule kind, uint64_t round, uint64_t rounds)
{
    const double left = rounds ? (double)(rounds - round) / (double)rounds : 0;

    return kind == MQ_PRUNE_CUBIC ? 1 - left * left * left : 1 - left;
}

/* ---- masks ---------------------------------------------------------------------------------------------------------- */

/* The float constant of the main graph that is called so; NULL: there is none. */
static mq_tensor *find_floats(const mq_model *m, const char *name)
{
    const mq_value *v = mq_graph_find_here(m->graph, name);
    mq_tensor *t = v ? mq_value_constant(v, true) : NULL;

    return t && t->dtype == MQ_FLOAT && mq_tensor_count(t) > 0 ? t : NULL;
}

typedef struct round_masks {
    mq_train_mask *list; /* memory of both is malloc's */
    size_t n;
    uint64_t zeros, elements;
} round_masks;

static void drop_masks(round_masks *r)
{
    for (size_t i = 0; i < r->n; i++)
        free((void *)(uintptr_t)r->list[i].mask);
    free(r->list);
    *r = (round_masks){ .n = 0 };
}

/* What is zero in t, called name, stays zero. */
static mq_status add_mask(round_masks *r, const char *name, mq_tensor *t, mq_error *err)
{
    const size_t n = (size_t)mq_tensor_count(t);
    const void *data;
    uint8_t *mask;
    mq_status rc;

    if ((rc = mq_tensor_bytes(t, &data, err)) != MQ_OK)
        return rc;
    if (!(mask = malloc(n)))
        return mq_oom(err);
    for (size_t i = 0; i < n; i++)
        r->zeros += !(mask[i] = ((const mq_unaligned_f32 *)data)[i] != 0);
    r->elements += n;
    r->list[r->n++] = (mq_train_mask){ .name = name, .mask = mask, .n = n };
    return MQ_OK;
}

/* `spare`: room for so many more. */
static mq_status make_masks(round_masks *r, const mq_model *m, const char *const *names, size_t n, size_t spare,
                            mq_error *err)
{
    mq_status rc = MQ_OK;

    if (!(r->list = calloc(n + spare + 1, sizeof *r->list)))
        return mq_oom(err);
    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        mq_tensor *t = find_floats(m, names[i]);

        rc = t ? add_mask(r, names[i], t, err) : MQ_OK;
    }
    return rc;
}

static const mq_train_mask *find_mask(const round_masks *r, const char *name, size_t n)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->list[i].n == n && strcmp(r->list[i].name, name) == 0)
            return &r->list[i];
    return NULL;
}

/* ---- the model that is trained -------------------------------------------------------------------------------------- */

typedef struct trained {
    mq_model *model;
    const char **raw; /* outputs of the convolutions that got a BatchNormalization, in its arena */
    size_t n_raw;
} trained;

/* A channel whose bias is held at zero is held at zero as a whole: the normalization does not move it. */
static mq_status mask_norms(const trained *t, round_masks *r, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < t->n_raw && rc == MQ_OK; i++) {
        const mq_node *norm = mq_graph_find_here(t->model->graph, t->raw[i])->producer;
        const mq_node *conv = norm->inputs[0]->producer;
        const mq_train_mask *bias;
        uint8_t *copy;

        if (!conv || conv->n_inputs < 3 || !conv->inputs[2] || !norm->inputs[2]->init)
            continue;
        bias = find_mask(r, conv->inputs[2]->name, (size_t)mq_tensor_count(norm->inputs[2]->init));
        if (!bias)
            continue;
        if (!(copy = malloc(bias->n)))
            return mq_oom(err);
        memcpy(copy, bias->mask, bias->n);
        r->list[r->n++] = (mq_train_mask){ .name = norm->inputs[2]->name, .mask = copy, .n = bias->n };
    }
    return rc;
}

static mq_status make_trained(trained *t, const mq_prune_tuning *tuning, const mq_model *m, mq_error *err)
{
    mq_node **convs;
    mq_status rc;

    MQ_TRY(mq_model_clone(&t->model, m, err));
    MQ_TRY(mq_infer_model(t->model, NULL, NULL, err));
    MQ_TRY(mq_norms_find(t->model, &convs, &t->n_raw, err));
    if (!(t->raw = mq_arena_calloc(t->model->arena, t->n_raw + 1, sizeof *t->raw)))
        return mq_oom(err);
    for (size_t i = 0; i < t->n_raw; i++)
        t->raw[i] = convs[i]->outputs[0]->name;
    MQ_TRY(mq_samples_normalize(t->model, &tuning->train.samples, false, tuning->train.hooks, err));
    rc = mq_norms_resize(t->model, err);
done:
    return rc;
}

static mq_status fold_norms(trained *t, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < t->n_raw && rc == MQ_OK; i++) {
        const mq_node *norm = mq_graph_find_here(t->model->graph, t->raw[i])->producer;
        size_t n = 0;

        if (mq_node_is(norm, "", "BatchNormalization")) /* not where an output is no array with channels */
            rc = mq_channel_fold(norm->inputs[0]->producer, &n, err);
    }
    return rc;
}

/* ---- from one model to the other ------------------------------------------------------------------------------------ */

static mq_status record(mq_checkpoint *c, const char *kind, const char *name, mq_tensor *t, mq_error *err)
{
    const size_t size = strlen(kind) + strlen(name) + 1;
    char *full = malloc(size);
    const void *data;
    mq_status rc;

    if (!full)
        return mq_oom(err);
    snprintf(full, size, "%s%s", kind, name);
    if ((rc = mq_tensor_bytes(t, &data, err)) == MQ_OK)
        rc = mq_checkpoint_put(c, full, data, (size_t)mq_tensor_size(t), err);
    free(full);
    return rc;
}

static bool same_bytes(mq_tensor *a, mq_tensor *b)
{
    const void *x, *y;

    return mq_tensor_bytes(a, &x, NULL) == MQ_OK && mq_tensor_bytes(b, &y, NULL) == MQ_OK &&
           memcmp(x, y, (size_t)mq_tensor_size(a)) == 0;
}

/* Constant v of the pruned model has other numbers in the trained one. */
static mq_status record_value(mq_checkpoint *c, const mq_value *v, const trained *t, mq_error *err)
{
    mq_tensor *was = find_floats(v->graph->model, v->name), *is = was ? find_floats(t->model, v->name) : NULL;

    if (!is || mq_tensor_count(is) != mq_tensor_count(was) || same_bytes(was, is))
        return MQ_OK;
    return record(c, WEIGHT, v->name, is, err);
}

static mq_status record_changes(mq_checkpoint *c, const mq_model *m, const trained *t, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < m->graph->inits.n; i++)
        MQ_TRY(record_value(c, m->graph->inits.items[i], t, err));
    for (const mq_node *n = m->graph->first; n; n = n->next)
        if (mq_node_is(n, "", "Constant") && n->n_outputs && n->outputs[0])
            MQ_TRY(record_value(c, n->outputs[0], t, err));
    for (size_t i = 0; i < t->n_raw; i++) {
        const mq_value *before = mq_graph_find_here(m->graph, t->raw[i]);
        const mq_value *y = mq_graph_find_here(t->model->graph, t->raw[i]);
        const bool had = !before || !before->producer || (before->producer->n_inputs > 2 && before->producer->inputs[2]);
        mq_tensor *bias = !had && y->producer->n_inputs > 2 ? mq_value_constant(y->producer->inputs[2], false) : NULL;

        if (bias)
            MQ_TRY(record(c, BIAS, t->raw[i], bias, err));
    }
done:
    return rc;
}

/* The record's floats as a tensor of m, zero where a mask says so; *out NULL: there is no such record. */
static mq_status take_floats(mq_tensor **out, const mq_checkpoint *c, const char *kind, const char *name, mq_model *m,
                             int rank, const int64_t *dims, const round_masks *masks, mq_error *err)
{
    const size_t size = strlen(kind) + strlen(name) + 1;
    char *full = malloc(size);
    const mq_train_mask *mask;
    const void *data;
    float *copy;
    size_t n = 0;

    *out = NULL;
    if (!full)
        return mq_oom(err);
    snprintf(full, size, "%s%s", kind, name);
    data = mq_checkpoint_find(c, full, &n);
    free(full);
    if (!data)
        return MQ_OK;
    if (!(*out = mq_tensor_create(m, name, MQ_FLOAT, rank, dims, NULL)) || !(copy = mq_arena_memdup(m->arena, data, n)))
        return mq_oom(err);
    if ((int64_t)n != mq_tensor_size(*out))
        return mq_fail(err, MQ_ERR_INPUT, "'%s' has %zu bytes there", name, n);
    mask = find_mask(masks, name, n / sizeof *copy);
    for (size_t i = 0; mask && i < mask->n; i++)
        copy[i] = mask->mask[i] ? copy[i] : 0; /* folding may have made it -0 */
    (*out)->data = copy;
    (*out)->n_bytes = n;
    return MQ_OK;
}

static mq_status apply_value(mq_value *v, const mq_checkpoint *c, const round_masks *masks, mq_error *err)
{
    mq_model *m = v->graph->model;
    const mq_tensor *was = find_floats(m, v->name);
    mq_tensor *now = NULL;
    mq_status rc = MQ_OK;

    if (was)
        rc = take_floats(&now, c, WEIGHT, v->name, m, was->n_dims, was->dims, masks, err);
    if (rc != MQ_OK || !now)
        return rc;
    return mq_value_set_constant(v, now, err);
}

/* A convolution without a bias gets the one that was recorded. */
static mq_status apply_bias(mq_node *conv, const mq_checkpoint *c, const round_masks *masks, mq_error *err)
{
    mq_model *m = conv->graph->model;
    const mq_tensor *w = mq_constant_input(conv, 1);
    mq_tensor *bias;
    mq_value *v;
    mq_status rc;

    if (!w || w->n_dims < 1 || !conv->outputs[0] || (conv->n_inputs > 2 && conv->inputs[2]))
        return MQ_OK;
    MQ_TRY(take_floats(&bias, c, BIAS, conv->outputs[0]->name, m, 1, w->dims, masks, err));
    if (!bias)
        return MQ_OK;
    MQ_TRY(mq_constant_of(conv->graph, conv->outputs[0]->name, MQ_FLOAT, 1, w->dims, bias->data, &v, err));
    rc = mq_node_set_input(conv, 2, v, err);
done:
    return rc;
}

static mq_status apply(mq_model *m, const mq_checkpoint *c, const round_masks *masks, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < m->graph->inits.n; i++)
        MQ_TRY(apply_value(m->graph->inits.items[i], c, masks, err));
    for (mq_node *n = m->graph->first; n; n = n->next) {
        if (mq_node_is(n, "", "Constant") && n->n_outputs && n->outputs[0])
            MQ_TRY(apply_value(n->outputs[0], c, masks, err));
        if (mq_node_is(n, "", "Conv") && n->n_outputs)
            MQ_TRY(apply_bias(n, c, masks, err));
    }
done:
    return rc;
}

/* ---- one round ------------------------------------------------------------------------------------------------------ */

enum {
    NAME = 40,
    FEW_SAMPLES = 128, /* less than normalizations are made from: what a batch of so few says of a channel is chance */
};

#define EPOCHS "epochs" /* records of a finished round: its curve, and the best of it */
#define BEST "best"
#define KEY "key"

static void unlink_file(const char *folder, const char *name, const char *end)
{
    char *path = NULL;

    if (asprintf(&path, "%s/%s%s", folder, name, end) >= 0)
        unlink(path);
    free(path);
}

static mq_status record_curve(mq_checkpoint *c, const char *key, const mq_loop_result *l, mq_error *err)
{
    const uint64_t numbers[] = { l->best, l->steps };
    mq_status rc;

    MQ_TRY(mq_checkpoint_put(c, KEY, key, strlen(key), err));
    MQ_TRY(mq_checkpoint_put(c, EPOCHS, l->epochs, l->n_epochs * sizeof *l->epochs, err));
    rc = mq_checkpoint_put(c, BEST, numbers, sizeof numbers, err);
done:
    return rc;
}

static mq_status read_curve(const mq_checkpoint *c, const char *key, mq_loop_result *l, mq_error *err)
{
    uint64_t numbers[2];
    size_t n = 0;
    const void *data = mq_checkpoint_find(c, KEY, &n);
    mq_status rc;

    if (!data || n != strlen(key) || memcmp(data, key, n) != 0)
        return mq_fail(err, MQ_ERR_INPUT, "it belongs to another pruning: options, model or data differ");
    MQ_TRY(mq_checkpoint_get(c, BEST, numbers, sizeof numbers, err));
    data = mq_checkpoint_find(c, EPOCHS, &n);
    if (!data || n % sizeof *l->epochs || numbers[0] >= n / sizeof *l->epochs)
        return mq_fail(err, MQ_ERR_INPUT, "its epochs are damaged");
    if (!(l->epochs = malloc(n)))
        return mq_oom(err);
    memcpy(l->epochs, data, n);
    l->n_epochs = n / sizeof *l->epochs;
    l->best = (size_t)numbers[0];
    l->steps = numbers[1];
    l->resumed = true;
done:
    return rc;
}

/* A finished round from the folder; *out NULL: it is not there. */
static mq_status read_round(mq_checkpoint **out, const char *path, const char *key, mq_loop_result *l, mq_error *err)
{
    mq_checkpoint *c = NULL;
    mq_status rc;

    *out = NULL;
    if (access(path, F_OK) != 0)
        return MQ_OK;
    MQ_TRY(mq_checkpoint_load(&c, path, err));
    if ((rc = read_curve(c, key, l, err)) != MQ_OK) {
        mq_error_prefix(err, "the checkpoint '%s'", path);
        goto done;
    }
    *out = c;
    c = NULL;
done:
    mq_checkpoint_free(c);
    return rc;
}

static mq_status train_now(mq_prune_tuning *t, const mq_model *m, trained *w, const mq_train_call *call, const char *key,
                           mq_checkpoint **out)
{
    mq_error *err = t->train.err;
    mq_checkpoint *c = NULL;
    mq_status rc;

    MQ_TRY(mq_train_run(&t->train, w->model, call, &t->last));
    MQ_TRY(fold_norms(w, err));
    MQ_TRY(mq_checkpoint_create(&c, err));
    MQ_TRY(record_curve(c, key, &t->last, err));
    MQ_TRY(record_changes(c, m, w, err));
    *out = c;
    c = NULL;
done:
    mq_checkpoint_free(c);
    return rc;
}

/* What training the pruned m gives: read where a finished round is kept, else trained, and kept. */
static mq_status get_round(mq_prune_tuning *t, const mq_model *m, round_masks *masks, const mq_train_call *call,
                           mq_checkpoint **out)
{
    const char *folder = t->train.opts->checkpoint;
    char key[MQ_SHA256_HEX] = "", *path = NULL;
    mq_error *err = t->train.err;
    mq_train_call how = *call;
    trained w = { NULL };
    mq_status rc;

    MQ_TRY(make_trained(&w, t, m, err));
    MQ_TRY(mask_norms(&w, masks, err));
    how.fixed_statistics = t->train.samples.n < FEW_SAMPLES;
    how.masks = masks->list;
    how.n_masks = masks->n;
    if (folder) {
        MQ_TRY(mq_train_key(&t->train, w.model, &how, key));
        how.key = key;
        if (asprintf(&path, "%s/%s.weights", folder, call->name) < 0) {
            path = NULL;
            MQ_TRY(mq_oom(err));
        }
        if (t->train.opts->resume)
            MQ_TRY(read_round(out, path, key, &t->last, err));
    }
    if (*out)
        goto done;
    MQ_TRY(train_now(t, m, &w, &how, key, out));
    if (folder) {
        MQ_TRY(mq_checkpoint_save(*out, path, err));
        unlink_file(folder, call->name, ".ckpt");
    }
done:
    free(path);
    mq_model_free(w.model);
    return rc;
}

static mq_status run_round(mq_prune_tuning *t, mq_model *m, uint64_t round)
{
    const bool trains = t->train.opts->epochs > 0;
    char name[NAME], label[NAME];
    mq_prune_round *now = &t->done[t->n_done];
    mq_error *err = t->train.err;
    mq_checkpoint *c = NULL;
    round_masks masks = { .n = 0 };
    const char **names = NULL;
    size_t n = 0;
    mq_status rc;

    snprintf(name, sizeof name, "round-%llu", (unsigned long long)round);
    snprintf(label, sizeof label, "round %llu, ", (unsigned long long)round);
    now->share = mq_prune_schedule_at(t->schedule, round, t->rounds);
    MQ_TRY(t->prune(t->user, m, now->share, &names, &n, err));
    MQ_TRY(mq_infer_model(m, NULL, NULL, err));
    MQ_TRY(make_masks(&masks, m, names, n, m->graph->n_nodes, err));
    if (masks.elements)
        now->sparsity = (double)masks.zeros / (double)masks.elements;
    if (trains) {
        mq_loop_result_release(&t->last);
        MQ_TRY(get_round(t, m, &masks, &(mq_train_call){ .seed = t->train.opts->seed + round, .name = name, .label = label,
                                                         .part = round - 1, .n_parts = t->rounds,
                                                         .unjudged = round < t->rounds }, &c));
        MQ_TRY(apply(m, c, &masks, err));
    }
    MQ_TRY(mq_judge_model(&t->train.judge, m, t->train.hooks, &now->metric, err));
    t->n_done++;
    mq_tell(t->train.detail, t->train.user, "round %llu of %llu: %.1f%% of the way, %.1f%% pruned, %s %.5g",
            (unsigned long long)round, (unsigned long long)t->rounds, now->share * 100, now->sparsity * 100,
            mq_metric_name(t->train.judge.metric), now->metric);
done:
    drop_masks(&masks);
    mq_checkpoint_free(c);
    return rc;
}

/* ---- all rounds ----------------------------------------------------------------------------------------------------- */

mq_status mq_prune_tuning_open(mq_prune_tuning *t, mq_model *m)
{
    mq_error *err = t->train.err;
    mq_status rc;

    t->train.n_trainings = t->rounds;
    MQ_TRY(mq_train_check(&t->train));
    MQ_TRY(mq_train_plain(m, err));
    MQ_TRY(mq_model_clone(&t->original, m, err));
    MQ_TRY(mq_infer_model(t->original, NULL, NULL, err));
    MQ_TRY(mq_train_open(&t->train, t->original));
    rc = mq_train_read(&t->train);
done:
    return rc;
}

mq_status mq_prune_tuning_run(mq_prune_tuning *t, mq_model *m)
{
    mq_status rc = MQ_OK;

    if (!t->rounds || !(t->done = calloc(t->rounds, sizeof *t->done)))
        return t->rounds ? mq_oom(t->train.err) : mq_fail(t->train.err, MQ_ERR_USAGE, "--rounds is at least 1");
    for (uint64_t round = 1; round <= t->rounds && rc == MQ_OK; round++)
        rc = run_round(t, m, round);
    return rc;
}

void mq_prune_tuning_close(mq_prune_tuning *t)
{
    mq_train_close(&t->train);
    mq_loop_result_release(&t->last);
    free(t->done);
    mq_model_free(t->original);
    t->done = NULL;
    t->original = NULL;
}
