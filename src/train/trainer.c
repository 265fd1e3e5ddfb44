/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One training step: the step graph is made here, once; its inputs are the student's, the targets, the parameters and the
 * running statistics, its outputs the loss, the gradients and the statistics after the step. Values of parameters and
 * statistics lie in one block, each aligned, so that keeping them aside is one copy. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/random.h"
#include "exec/exec.h"
#include "graph/clone.h"
#include "ops/ops.h"
#include "passes/pass.h"
#include "train/checkpoint.h"
#include "train/grad.h"
#include "train/parameters.h"
#include "train/rebatch.h"

enum { ALIGN = 16 }; /* floats: 64 bytes */

/* Parameters first, statistics behind them. */
typedef struct slot {
    mq_value *value; /* in the step graph */
    mq_value *after; /* gradient, or the statistic after the step */
    mq_parameter view;
    size_t at;       /* in the block, floats */
    mq_array *array; /* over view.data */
    uint8_t *mask;
} slot;

struct mq_trainer {
    mq_model *model; /* the step graph */
    mq_plan *plan;
    mq_runner *runner;
    mq_optimizer *optimizer;
    slot *slots;
    size_t n_params, n_slots;
    mq_parameter *views; /* of all slots */
    float *block, *kept; /* kept NULL: nothing is */
    size_t n_floats;
    size_t n_inputs, n_targets; /* the student's inputs; as many losses as targets */
    uint64_t seed;
    mq_loss_kind *kinds;        /* of the losses */
    int64_t *classes;           /* CE: how many there are */
    mq_array **in, **out;       /* of a run */
    size_t n_in, n_out;
    const float **grads;
    float **data;
};

/* ---- the step graph ------------------------------------------------------------------------------------------------ */

/* Weights in Constant nodes become initializers, as the others are. */
static mq_status lift_constants(mq_graph *g, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        mq_value *v = mq_node_is(n, "", "Constant") && mq_node_attr(n, "value") && n->n_outputs ? n->outputs[0] : NULL;
        mq_tensor *t = v ? mq_value_constant(v, false) : NULL;

        next = n->next;
        if (t && t->dtype == MQ_FLOAT && !v->n_output_uses)
            rc = mq_value_make_constant(v, t, err);
    }
    return rc;
}

static bool is_frozen(const mq_model *student, const mq_trainer_opts *o, size_t i)
{
    return o->frozen && i < student->graph->inits.n && o->frozen[i];
}

/* The initializers of the copy in their order, which is the student's; lifted constants come last. From malloc. */
static mq_status list_initializers(const mq_graph *g, mq_value ***out, size_t *n, mq_error *err)
{
    *n = g->inits.n;
    if (!(*out = malloc((*n + 1) * sizeof **out)))
        return mq_oom(err);
    if (*n)
        memcpy(*out, g->inits.items, *n * sizeof **out);
    return MQ_OK;
}

/* The values to be learned, projections behind them. */
static mq_status find_weights(mq_trainer *t, const mq_model *student, const mq_trainer_opts *o, mq_value *const *inits,
                              size_t n, mq_value *const *projections, mq_error *err)
{
    if (!(t->slots = calloc(n + o->n_losses + 1, sizeof *t->slots)))
        return mq_oom(err);
    for (size_t i = 0; i < n; i++)
        if (!is_frozen(student, o, i) && mq_is_weight(inits[i]))
            t->slots[t->n_params++] = (slot){ .value = inits[i] };
    for (size_t i = 0; i < o->n_losses; i++)
        if (projections[i])
            t->slots[t->n_params++] = (slot){ .value = projections[i], .view.extra = true };
    return MQ_OK;
}

/* Appends the gradients; weights that the loss does not depend on are none. */
static mq_status find_gradients(mq_trainer *t, mq_value *loss, mq_error *err)
{
    mq_value **wrt = calloc(t->n_params + 1, sizeof *wrt), **grads = calloc(t->n_params + 1, sizeof *grads);
    size_t kept = 0;
    mq_status rc;

    if (!wrt || !grads) {
        rc = mq_oom(err);
        goto done;
    }
    for (size_t i = 0; i < t->n_params; i++)
        wrt[i] = t->slots[i].value;
    MQ_TRY(mq_grad_append(t->model->graph, loss, wrt, t->n_params, grads, err));
    for (size_t i = 0; i < t->n_params; i++) {
        t->slots[i].after = grads[i];
        if (grads[i])
            t->slots[kept++] = t->slots[i];
    }
    t->n_params = t->n_slots = kept;
    if (!kept)
        rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "the student has no weights that its loss depends on: nothing to train");
done:
    free(wrt);
    free(grads);
    return rc;
}

static mq_status add_statistics(mq_trainer *t, const mq_grad_stats *stats, mq_error *err)
{
    slot *grown = realloc(t->slots, (t->n_params + stats->n + 1) * sizeof *grown);

    if (!grown)
        return mq_oom(err);
    t->slots = grown;
    for (size_t i = 0; i < stats->n; i++) {
        bool seen = !stats->items[i].before->init; /* computed: stays as it is */

        for (size_t k = 0; k < t->n_slots && !seen; k++)
            seen = t->slots[k].value == stats->items[i].before;
        if (!seen)
            t->slots[t->n_slots++] = (slot){ .value = stats->items[i].before, .after = stats->items[i].after };
    }
    return MQ_OK;
}

/* A slot's initializer becomes an input, its gradient an output. */
static mq_status open_slot(mq_graph *g, slot *s, mq_error *err)
{
    const mq_tensor *init = s->value->init;
    mq_dim dims[MQ_MAX_RANK];
    mq_status rc;

    if (init->n_dims > MQ_MAX_RANK)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "'%s' has too many axes", s->value->name);
    for (int i = 0; i < init->n_dims; i++)
        dims[i] = MQ_DIM(init->dims[i]);
    MQ_TRY(mq_value_declare_shape(s->value, init->n_dims, dims, err));
    mq_value_clear_init(s->value);
    MQ_TRY(mq_graph_add_input(g, s->value, err));
    MQ_TRY(mq_graph_add_output(g, s->after, err));
done:
    return rc;
}

static mq_status keep_classes(mq_trainer *t, const mq_trainer_opts *o, mq_error *err)
{
    t->kinds = calloc(o->n_losses + 1, sizeof *t->kinds);
    t->classes = calloc(o->n_losses + 1, sizeof *t->classes);
    if (!t->kinds || !t->classes)
        return mq_oom(err);
    t->n_targets = o->n_losses;
    for (size_t i = 0; i < o->n_losses; i++) {
        mq_value *v = mq_graph_find_here(t->model->graph, o->losses[i].tensor), *logits;
        int axis;

        t->kinds[i] = o->losses[i].kind;
        if (t->kinds[i] != MQ_LOSS_CE)
            continue;
        mq_loss_logits(v, &logits, &axis);
        t->classes[i] = logits->type->dims[axis].value;
    }
    return MQ_OK;
}

static mq_status make_graph(mq_trainer *t, mq_model *student, const mq_trainer_opts *o, mq_grad_stats *stats,
                            mq_value **loss, mq_error *err)
{
    mq_value **targets = calloc(2 * o->n_losses + 1, sizeof *targets), **projections = targets + o->n_losses;
    const mq_grad_opts how = { .batch_stats = !o->fixed_statistics, .dropout = o->dropout };
    mq_value **inits = NULL;
    mq_graph *g;
    size_t n = 0;
    mq_status rc;

    if (!targets)
        return mq_oom(err);
    MQ_TRY(mq_model_clone(&t->model, student, err));
    g = t->model->graph;
    mq_graph_unlist_inits(g);
    t->n_inputs = g->inputs.n;
    MQ_TRY(lift_constants(g, err));
    MQ_TRY(list_initializers(g, &inits, &n, err));
    if (o->batch > 0)
        MQ_TRY(mq_rebatch(t->model, o->batch, err));
    MQ_TRY(mq_grad_prepare(t->model, &how, stats, err));
    MQ_TRY(mq_loss_append(g, o->losses, o->n_losses, targets, projections, loss, err));
    MQ_TRY(keep_classes(t, o, err));
    mq_graph_clear_outputs(g);
    MQ_TRY(mq_graph_add_output(g, *loss, err));
    mq_graph_drop_dead(g, NULL);
    MQ_TRY(mq_infer_model(t->model, NULL, NULL, err));
    MQ_TRY(find_weights(t, student, o, inits, n, projections, err));
    MQ_TRY(find_gradients(t, *loss, err));
    MQ_TRY(add_statistics(t, stats, err));
done:
    free(inits);
    free(targets);
    return rc;
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

static mq_status place_slots(mq_trainer *t, mq_error *err)
{
    for (size_t i = 0; i < t->n_slots; i++) {
        const int64_t n = mq_tensor_count(t->slots[i].value->init);

        t->slots[i].at = t->n_floats;
        t->slots[i].view.count = (size_t)n;
        if (n < 0 || __builtin_add_overflow(t->n_floats, ((size_t)n + ALIGN - 1) / ALIGN * ALIGN, &t->n_floats) ||
            t->n_floats > SIZE_MAX / sizeof(float))
            return mq_oom(err);
    }
    if (posix_memalign((void **)&t->block, ALIGN * sizeof(float), (t->n_floats + 1) * sizeof(float)) != 0) {
        t->block = NULL;
        return mq_oom(err);
    }
    memset(t->block, 0, t->n_floats * sizeof(float));
    return MQ_OK;
}

static mq_status read_slots(mq_trainer *t, mq_error *err)
{
    mq_status rc;

    MQ_TRY(place_slots(t, err));
    if (!(t->views = calloc(t->n_slots + 1, sizeof *t->views))) {
        rc = mq_oom(err);
        goto done;
    }
    for (size_t i = 0; i < t->n_slots; i++) {
        slot *s = &t->slots[i];
        mq_tensor *init = s->value->init;

        s->view.name = s->value->name;
        s->view.data = t->block + s->at;
        s->view.rank = init->n_dims;
        s->view.dims = init->dims;
        t->views[i] = s->view;
        MQ_TRY(mq_tensor_read_f32(init, 0, s->view.count, s->view.data, err));
        MQ_TRY(mq_array_wrap(&s->array, MQ_FLOAT, init->n_dims, init->dims, s->view.data, NULL, err));
    }
done:
    return rc;
}

static mq_status make_runner(mq_trainer *t, const mq_trainer_opts *o, const mq_hooks *hooks, mq_error *err)
{
    mq_graph *g = t->model->graph;
    mq_status rc;

    for (size_t i = 0; i < t->n_slots; i++)
        MQ_TRY(open_slot(g, &t->slots[i], err));
    mq_graph_drop_dead(g, NULL);
    mq_model_drop_unused(t->model);
    t->n_in = g->inputs.n;
    t->n_out = g->outputs.n;
    t->in = calloc(t->n_in + 1, sizeof *t->in);
    t->out = calloc(t->n_out + 1, sizeof *t->out);
    if (!t->in || !t->out) {
        rc = mq_oom(err);
        goto done;
    }
    for (size_t i = 0; i < t->n_slots; i++)
        t->in[t->n_inputs + t->n_targets + i] = t->slots[i].array;
    MQ_TRY(mq_plan_create(&t->plan, t->model, NULL, hooks, err));
    MQ_TRY(mq_runner_create(&t->runner, t->plan, o->n_threads, err));
done:
    return rc;
}

static mq_status make_optimizer(mq_trainer *t, const mq_trainer_opts *o, mq_error *err)
{
    size_t *counts = calloc(t->n_params + 1, sizeof *counts);
    mq_status rc;

    t->grads = calloc(t->n_params + 1, sizeof *t->grads);
    t->data = calloc(t->n_params + 1, sizeof *t->data);
    if (!counts || !t->grads || !t->data) {
        rc = mq_oom(err);
        goto done;
    }
    for (size_t i = 0; i < t->n_params; i++) {
        counts[i] = t->slots[i].view.count;
        t->data[i] = t->slots[i].view.data;
    }
    rc = mq_optimizer_create(&t->optimizer, &o->optimizer, counts, t->n_params, o->n_threads, err);
done:
    free(counts);
    return rc;
}

mq_status mq_trainer_create(mq_trainer **out, mq_model *student, const mq_trainer_opts *opts, const mq_hooks *hooks,
                            mq_error *err)
{
    mq_trainer *t = calloc(1, sizeof *t);
    mq_grad_stats stats = { 0 };
    mq_value *loss = NULL;
    mq_status rc;

    if (!t)
        return mq_oom(err);
    t->seed = opts->seed;
    MQ_TRY(mq_check_cancelled(hooks, err));
    MQ_TRY(make_graph(t, student, opts, &stats, &loss, err));
    MQ_TRY(read_slots(t, err));
    MQ_TRY(make_optimizer(t, opts, err));
    MQ_TRY(make_runner(t, opts, hooks, err));
    *out = t;
    t = NULL;
done:
    mq_vec_release(&stats);
    mq_trainer_free(t);
    return rc;
}

void mq_trainer_free(mq_trainer *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_slots && t->slots; i++) {
        mq_array_unref(t->slots[i].array);
        free(t->slots[i].mask);
    }
    mq_runner_free(t->runner);
    mq_plan_free(t->plan);
    mq_optimizer_free(t->optimizer);
    mq_model_free(t->model);
    free(t->slots);
    free(t->views);
    free(t->block);
    free(t->kept);
    free(t->kinds);
    free(t->classes);
    free(t->in);
    free(t->out);
    free(t->grads);
    free(t->data);
    free(t);
}

/* ---- steps --------------------------------------------------------------------------------------------------------- */

static mq_status check_labels(const mq_array *labels, int64_t classes, mq_error *err)
{
    for (size_t i = 0; i < labels->count; i++)
        if (((const int64_t *)labels->data)[i] >= classes)
            return mq_fail(err, MQ_ERR_INPUT, "label %lld is no class of the student, which has %lld",
                           (long long)((const int64_t *)labels->data)[i], (long long)classes);
    return MQ_OK;
}

static mq_status diverged(const mq_trainer *t, const char *what, double value, mq_error *err)
{
    return mq_fail(err, MQ_ERR_INPUT,
                   "the %s is %s at step %llu: try a smaller learning rate (--lr), a warm-up (--lr-warmup), or clipped "
                   "gradients (--clip-grad)",
                   what, isnan(value) ? "not a number" : "infinite",
                   (unsigned long long)mq_optimizer_steps(t->optimizer) + 1);
}

static void apply_mask(slot *s)
{
    for (size_t i = 0; s->mask && i < s->view.count; i++)
        s->view.data[i] = s->mask[i] ? s->view.data[i] : 0;
}

/* What a run gave becomes what the trainer holds. */
static mq_status take_results(mq_trainer *t, double lr, double *loss, mq_error *err)
{
    mq_array *const *after = t->out + 1;
    double norm = 0;

    if (!isfinite(*loss = mq_array_f64(t->out[0], 0)))
        return diverged(t, "loss", *loss, err);
    for (size_t i = 0; i < t->n_params; i++)
        t->grads[i] = after[i]->data;
    if (mq_optimizer_step(t->optimizer, t->data, t->grads, lr, &norm, NULL) != MQ_OK)
        return diverged(t, "norm of the gradients", norm, err);
    for (size_t i = t->n_params; i < t->n_slots; i++)
        memcpy(t->slots[i].view.data, after[i]->data, t->slots[i].view.count * sizeof(float));
    for (size_t i = 0; i < t->n_params; i++)
        apply_mask(&t->slots[i]);
    return MQ_OK;
}

/* One run of the step graph; its outputs are to be let go of. */
static mq_status run_graph(mq_trainer *t, mq_array *const *inputs, mq_array *const *targets, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < t->n_targets && rc == MQ_OK; i++)
        if (t->kinds[i] == MQ_LOSS_CE && targets[i]->dtype == MQ_INT64)
            rc = check_labels(targets[i], t->classes[i], err);
    if (rc != MQ_OK)
        return rc;
    if (t->n_inputs)
        memcpy(t->in, inputs, t->n_inputs * sizeof *t->in);
    memcpy(t->in + t->n_inputs, targets, t->n_targets * sizeof *t->in);
    mq_runner_seed(t->runner, mq_random_at(t->seed, mq_optimizer_steps(t->optimizer)));
    return mq_runner_run(t->runner, t->in, t->out, err);
}

mq_status mq_trainer_step(mq_trainer *t, mq_array *const *inputs, mq_array *const *targets, double lr, double *loss,
                          mq_error *err)
{
    mq_status rc = run_graph(t, inputs, targets, err);

    if (rc != MQ_OK)
        return rc;
    rc = take_results(t, lr, loss, err);
    for (size_t i = 0; i < t->n_out; i++)
        mq_array_unref(t->out[i]);
    return rc;
}

mq_status mq_trainer_look(mq_trainer *t, mq_array *const *inputs, mq_array *const *targets,
                          void (*look)(void *user, const mq_parameter *p, const float *gradient), void *user, double *loss,
                          mq_error *err)
{
    mq_status rc = run_graph(t, inputs, targets, err);

    if (rc != MQ_OK)
        return rc;
    if (!isfinite(*loss = mq_array_f64(t->out[0], 0)))
        rc = mq_fail(err, MQ_ERR_INPUT, "the loss is %s", isnan(*loss) ? "not a number" : "infinite");
    for (size_t i = 0; rc == MQ_OK && i < t->n_params; i++)
        look(user, &t->views[i], t->out[1 + i]->data);
    for (size_t i = 0; i < t->n_out; i++)
        mq_array_unref(t->out[i]);
    return rc;
}

uint64_t mq_trainer_steps(const mq_trainer *t)
{
    return mq_optimizer_steps(t->optimizer);
}

const mq_parameter *mq_trainer_parameters(const mq_trainer *t, size_t *n)
{
    *n = t->n_params;
    return t->views;
}

const mq_parameter *mq_trainer_statistics(const mq_trainer *t, size_t *n)
{
    *n = t->n_slots - t->n_params;
    return t->views + t->n_params;
}

mq_status mq_trainer_set_mask(mq_trainer *t, size_t i, const uint8_t *mask, mq_error *err)
{
    uint8_t *copy = NULL;

    if (mask) {
        if (!(copy = malloc(t->slots[i].view.count + 1)))
            return mq_oom(err);
        memcpy(copy, mask, t->slots[i].view.count);
    }
    free(t->slots[i].mask);
    t->slots[i].mask = copy;
    apply_mask(&t->slots[i]);
    return MQ_OK;
}

/* ---- keeping ------------------------------------------------------------------------------------------------------- */

mq_status mq_trainer_store(const mq_trainer *t, mq_model *m, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < t->n_slots && rc == MQ_OK; i++) {
        const mq_parameter *p = &t->views[i];
        mq_value *v = p->extra ? NULL : mq_graph_find_here(m->graph, p->name);
        mq_tensor *now;

        if (!v || !mq_value_constant(v, true)) /* a projection, or made by raising the opset */
            continue;
        if (!(now = mq_tensor_create(m, p->name, MQ_FLOAT, p->rank, p->dims, p->data)))
            rc = mq_oom(err);
        else
            rc = mq_value_set_constant(v, now, err);
    }
    return rc;
}

mq_status mq_trainer_keep(mq_trainer *t, mq_error *err)
{
    if (!t->kept && !(t->kept = malloc((t->n_floats + 1) * sizeof *t->kept)))
        return mq_oom(err);
    memcpy(t->kept, t->block, t->n_floats * sizeof *t->kept);
    return MQ_OK;
}

void mq_trainer_take_back(mq_trainer *t)
{
    if (t->kept)
        memcpy(t->block, t->kept, t->n_floats * sizeof *t->kept);
}

/* Elements of a slot of the optimizer's state, all parameters together. */
static size_t state_size(const mq_trainer *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n_params; i++)
        n += t->slots[i].view.count;
    return n;
}

static const char *state_name(size_t slot_number, char *out, size_t size)
{
    snprintf(out, size, "state %zu", slot_number);
    return out;
}

mq_status mq_trainer_save(mq_trainer *t, mq_checkpoint *c, mq_error *err)
{
    const uint64_t steps = mq_optimizer_steps(t->optimizer);
    char name[32];
    mq_status rc;

    MQ_TRY(mq_checkpoint_put(c, "steps", &steps, sizeof steps, err));
    MQ_TRY(mq_checkpoint_put(c, "parameters", t->block, t->n_floats * sizeof *t->block, err));
    if (t->kept)
        MQ_TRY(mq_checkpoint_put(c, "best parameters", t->kept, t->n_floats * sizeof *t->kept, err));
    for (size_t k = 0; k < mq_optimizer_n_slots(t->optimizer); k++)
        MQ_TRY(mq_checkpoint_put(c, state_name(k, name, sizeof name), mq_optimizer_slot(t->optimizer, k, 0),
                                 state_size(t) * sizeof(float), err));
done:
    return rc;
}

mq_status mq_trainer_load(mq_trainer *t, const mq_checkpoint *c, mq_error *err)
{
    uint64_t steps = 0;
    size_t n;
    char name[32];
    mq_status rc;

    MQ_TRY(mq_checkpoint_get(c, "steps", &steps, sizeof steps, err));
    MQ_TRY(mq_checkpoint_get(c, "parameters", t->block, t->n_floats * sizeof *t->block, err));
    if (mq_checkpoint_find(c, "best parameters", &n)) {
        MQ_TRY(mq_trainer_keep(t, err));
        MQ_TRY(mq_checkpoint_get(c, "best parameters", t->kept, t->n_floats * sizeof *t->kept, err));
    }
    for (size_t k = 0; k < mq_optimizer_n_slots(t->optimizer); k++)
        MQ_TRY(mq_checkpoint_get(c, state_name(k, name, sizeof name), mq_optimizer_slot(t->optimizer, k, 0),
                                 state_size(t) * sizeof(float), err));
    mq_optimizer_set_steps(t->optimizer, steps);
done:
    return rc;
}
