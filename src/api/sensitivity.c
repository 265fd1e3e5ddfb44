/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Measuring parts of a model one by one, in the order of the graph, from held values on. */
#include <math.h>
#include <string.h>

#include "api/sensitivity_parts.h"
#include "exec/compare.h"
#include "graph/clone.h"
#include "ops/ops.h"
#include "passes/pass.h"

#define DEFAULT_MEMORY ((size_t)256 << 20)
#define MOST_MACS 2e12 /* of all runs together; less than LEAST_SAMPLES are not taken for it */

enum { MOST_SAMPLES = 256, LEAST_SAMPLES = 8 };

double mq_sense_db(double noise)
{
    return -10 * log10(noise);
}

/* ---- the graph ----------------------------------------------------------------------------------------------------- */

/* A constant that a node makes becomes an initializer: that can be exchanged in a plan. */
static mq_status find_constant(const mq_sense *s, const char *name, mq_value **out)
{
    mq_value *v = mq_graph_find_here(s->model->graph, name);
    mq_tensor *t = v ? mq_value_constant(v, false) : NULL, *own;
    const void *data;
    mq_status rc = MQ_OK;

    if (!t)
        return mq_fail(s->err, MQ_ERR_USAGE, "'%s' is no constant of the model", name);
    if (v->producer) {
        MQ_TRY(mq_tensor_bytes(t, &data, s->err));
        if (!(own = mq_tensor_create(s->model, name, t->dtype, t->n_dims, t->dims, data)))
            MQ_TRY(mq_oom(s->err));
        MQ_TRY(mq_node_set_output(v->producer, v->producer_index, NULL, s->err));
        MQ_TRY(mq_value_set_init(v, own, s->err));
    }
    *out = v;
done:
    return rc;
}

static mq_status prepare_model(mq_sense *s, mq_model *m)
{
    mq_value *v;
    size_t moved;
    mq_status rc;

    MQ_TRY(mq_model_clone(&s->model, m, s->err));
    if (s->model->has_ir_version && s->model->ir_version < 4) /* as plans do */
        mq_graph_unlist_inits(s->model->graph);
    MQ_TRY(mq_model_inline_functions(s->model, NULL, s->err));
    for (size_t i = 0; i < s->o->n_items; i++)
        for (size_t k = 0; k < s->o->items[i].n_constants; k++)
            MQ_TRY(find_constant(s, s->o->items[i].constants[k], &v));
    MQ_TRY(mq_graph_sort(s->model->graph, &moved, s->err));
    mq_graph_drop_dead(s->model->graph, NULL);
    rc = mq_infer_model(s->model, NULL, NULL, s->err);
done:
    return rc;
}

static bool is_fed(void *user, const mq_value *input)
{
    const mq_sense *s = user;
    const mq_graph *g = s->model->graph;

    for (size_t i = 0; i < g->inputs.n && i < s->whole.n_in; i++)
        if (g->inputs.items[i] == input)
            return s->fed[i] != NULL;
    return false;
}

/* The first of the item's nodes; SIZE_MAX: it names none. */
static size_t place_of_results(const mq_sense *s, const mq_sense_item *item)
{
    size_t place = SIZE_MAX;

    for (size_t k = 0; k < item->n_results; k++) {
        const mq_value *v = mq_graph_find_here(s->model->graph, item->results[k]);

        if (v && v->producer && v->producer->tag < place)
            place = v->producer->tag;
    }
    return place;
}

static void find_places(mq_sense *s)
{
    const mq_graph *g = s->model->graph;

    for (size_t i = 0; i < s->o->n_items; i++) {
        s->place[i] = place_of_results(s, &s->o->items[i]);
        for (size_t k = 0; k < s->o->items[i].n_constants; k++) {
            const mq_value *v = mq_graph_find_here(g, s->o->items[i].constants[k]);
            const size_t at = v ? mq_value_first_read(v, g) : 0;

            if (at && at < s->place[i])
                s->place[i] = at;
        }
        s->order[i] = i;
        for (size_t k = i; k > 0 && s->place[s->order[k]] < s->place[s->order[k - 1]]; k--) {
            const size_t other = s->order[k];

            s->order[k] = s->order[k - 1];
            s->order[k - 1] = other;
        }
    }
}

static bool crosses_any(const mq_sense *s, const mq_span *span)
{
    for (size_t i = 0; i < s->o->n_items; i++)
        if (s->place[i] != SIZE_MAX && mq_span_crosses(span, s->place[i]))
            return true;
    return false;
}

/* ---- how much there is to do --------------------------------------------------------------------------------------- */

static mq_status see(void *user, const mq_value *value, mq_array *array, mq_error *err)
{
    mq_sense *s = user;
    const mq_value *v = mq_graph_find_here(s->model->graph, value->name);

    (void)err;
    if (v && v->tag && v->tag <= s->spans.n) {
        s->bytes[v->tag - 1] = mq_array_bytes(array);
        s->made[v->tag - 1] = mq_seconds() - s->began;
    }
    return MQ_OK;
}

static size_t names_crossing(const mq_sense *s, const char **names)
{
    size_t n = 0;

    for (size_t i = 0; i < s->spans.n; i++)
        if (s->spans.items[i].made && crosses_any(s, &s->spans.items[i]))
            names[n++] = s->spans.items[i].value->name;
    return n;
}

/* Runs the first sample twice, the second time with a look at sizes and times. */
static mq_status probe(mq_sense *s, const mq_data_call *call)
{
    const mq_plan_opts opts = { .keep = s->names, .n_keep = names_crossing(s, s->names) };
    const mq_node_stat *stats;
    mq_running run = { 0 };
    size_t n;
    mq_status rc;

    MQ_TRY(mq_running_open(&run, s->model, &opts, s->o->hooks, s->err));
    MQ_TRY(mq_running_run(&run, call->in, s->err));
    mq_runner_watch(run.runner, see, s);
    mq_runner_profile(run.runner, true);
    s->began = mq_seconds();
    MQ_TRY(mq_running_run(&run, call->in, s->err));
    s->run_seconds = mq_seconds() - s->began;
    stats = mq_runner_stats(run.runner, &n);
    for (size_t i = 0; i < n; i++)
        s->macs += (double)stats[i].macs;
    for (size_t i = 0; i < s->model->graph->inputs.n && i < run.n_in; i++)
        if (s->model->graph->inputs.items[i]->tag && call->in[i])
            s->bytes[s->model->graph->inputs.items[i]->tag - 1] = mq_array_bytes(call->in[i]);
done:
    mq_running_close(&run);
    return rc;
}

/* Seconds that one run from a place on takes, and the bytes held there. */
static double seconds_behind(const mq_sense *s, size_t place)
{
    double before = 0;

    for (size_t i = 0; i < s->spans.n; i++)
        if (mq_span_crosses(&s->spans.items[i], place))
            before = fmax(before, s->made[i]);
    return s->run_seconds - before;
}

static size_t bytes_at(const mq_sense *s, size_t place)
{
    size_t all = 0;

    for (size_t i = 0; i < s->spans.n; i++)
        if (mq_span_crosses(&s->spans.items[i], place))
            all += s->bytes[i];
    return all;
}

/* How many runs are made, of how many there are; n: samples of one. */
static void choose_runs(mq_sense *s, size_t n)
{
    const size_t memory = s->o->memory ? s->o->memory : DEFAULT_MEMORY;
    const uint64_t all = (mq_dataset_n_samples(s->data) + n - 1) / n;
    double behind = 0, most, tries = (double)s->o->n_levels;
    size_t bytes = 1, runs;

    for (size_t i = 0; i < s->o->n_items; i++)
        if (s->place[i] != SIZE_MAX) {
            const size_t here = bytes_at(s, s->place[i]);

            bytes = here > bytes ? here : bytes;
            behind += seconds_behind(s, s->place[i]);
        }
    most = s->macs > 0 ? MOST_MACS / (s->macs * tries * (double)s->o->n_items / 2) : MOST_SAMPLES;
    most = fmin(fmax(most, (double)LEAST_SAMPLES / (double)n), (double)MOST_SAMPLES / (double)n);
    runs = (size_t)fmax(fmin(most, (double)memory / (double)bytes), 1);
    s->n_runs = runs < all ? runs : (size_t)all;
    s->n_samples = (uint64_t)s->n_runs * n;
    mq_tell(s->o->note, s->o->note_user, "sensitivity: %zu parts at %zu levels on %llu of %llu samples, about %.0f s",
            s->o->n_items, s->o->n_levels, (unsigned long long)s->n_samples,
            (unsigned long long)mq_dataset_n_total(s->data), ceil(tries * behind * (double)s->n_runs));
}

/* ---- one part ------------------------------------------------------------------------------------------------------ */

/* Each level is a plan of its own: what a constant is goes into other ones, when they are folded. */
typedef struct part {
    mq_sense *s;
    const mq_sense_item *item;
    size_t number, place;
    mq_running run;      /* from the place on */
    size_t *output;      /* per output of the run: of the model */
    size_t n_outputs;
    const char **names;  /* of inputs, then of outputs */
    size_t n_inputs;
    mq_array **in;
    mq_compare *sums;    /* per output of the run */
    mq_metrics *metrics;
    mq_array **whole, **changed; /* per constant */
    mq_tensor **was;     /* likewise */
} part;

static mq_status make_room(part *p)
{
    const mq_sense *s = p->s;
    const size_t n = p->item->n_constants + 1;

    p->output = calloc(s->whole.n_out + 1, sizeof *p->output);
    p->sums = calloc(s->whole.n_out + 1, sizeof *p->sums);
    p->names = calloc(s->spans.n + s->whole.n_out + 1, sizeof *p->names);
    p->in = calloc(s->spans.n + 1, sizeof *p->in);
    p->whole = calloc(n, sizeof *p->whole);
    p->changed = calloc(n, sizeof *p->changed);
    p->was = calloc(n, sizeof *p->was);
    return p->output && p->sums && p->names && p->in && p->whole && p->changed && p->was ? MQ_OK : mq_oom(s->err);
}

/* Outputs that the part can change are those made behind it. */
static mq_status open_part(part *p)
{
    const mq_sense *s = p->s;
    mq_status rc = make_room(p);

    if (rc != MQ_OK)
        return rc;
    p->n_inputs = mq_sense_names_at(s, p->place, p->names);
    for (size_t i = 0; i < s->whole.n_out; i++) {
        const mq_value *v = mq_graph_find_here(s->model->graph, s->whole.outputs[i]->name);

        if (!v || !v->tag || s->spans.items[v->tag - 1].made < p->place)
            continue;
        p->output[p->n_outputs] = i;
        p->names[p->n_inputs + p->n_outputs++] = v->name;
    }
    for (size_t k = 0; k < p->item->n_constants && rc == MQ_OK; k++) {
        p->was[k] = mq_graph_find_here(s->model->graph, p->item->constants[k])->init;
        rc = mq_array_of_tensor(&p->whole[k], p->was[k], true, s->err);
    }
    return rc;
}

/* The constants are what they were again. */
static mq_status change_back(part *p)
{
    mq_status rc = MQ_OK;

    mq_running_close(&p->run);
    for (size_t k = 0; k < p->item->n_constants; k++) {
        mq_value *v = mq_graph_find_here(p->s->model->graph, p->item->constants[k]);

        if (v && p->was && p->was[k] && v->init != p->was[k] && rc == MQ_OK)
            rc = mq_value_set_init(v, p->was[k], p->s->err);
        if (p->changed) {
            mq_array_unref(p->changed[k]);
            p->changed[k] = NULL;
        }
    }
    return rc;
}

static void close_part(part *p)
{
    change_back(p);
    for (size_t k = 0; p->whole && k < p->item->n_constants; k++)
        mq_array_unref(p->whole[k]);
    free(p->output);
    free(p->sums);
    free(p->names);
    free(p->in);
    free(p->whole);
    free(p->changed);
    free(p->was);
}

/* A plan has a copy of the graph: what was put in front of nodes goes again. */
static mq_status open_run(part *p, size_t level)
{
    const mq_sense *s = p->s;
    const mq_plan_opts opts = { .inputs = p->names, .n_inputs = p->n_inputs, .outputs = p->names + p->n_inputs,
                                .n_outputs = p->n_outputs };
    mq_status rc;

    if (s->o->rewire)
        MQ_TRY(s->o->rewire(s->o->user, s->model, p->number, level, false, s->err));
    MQ_TRY(mq_running_open(&p->run, s->model, &opts, s->o->hooks, s->err));
    if (s->o->rewire)
        rc = s->o->rewire(s->o->user, s->model, p->number, level, true, s->err);
done:
    return rc;
}

/* Tensors over arrays that live for as long as the plan: models keep what is copied into them. */
static mq_status change_to(part *p, size_t level)
{
    const mq_sense *s = p->s;
    mq_status rc = change_back(p);

    for (size_t k = 0; k < p->item->n_constants && rc == MQ_OK; k++) {
        mq_tensor *t = mq_tensor_create(s->model, p->item->constants[k], p->was[k]->dtype, p->was[k]->n_dims,
                                        p->was[k]->dims, NULL);

        if (!t)
            return mq_oom(s->err);
        MQ_TRY(s->o->change(s->o->user, p->number, level, k, p->whole[k], &p->changed[k], s->err));
        t->data = p->changed[k]->data;
        t->n_bytes = mq_array_bytes(p->changed[k]);
        rc = mq_value_set_init(mq_graph_find_here(s->model->graph, t->name), t, s->err);
    }
    if (rc == MQ_OK)
        rc = open_run(p, level);
done:
    return rc;
}

static bool is_compared(const mq_array *a)
{
    return a && a->kind == MQ_TYPE_TENSOR && mq_dtype_is_float(a->dtype);
}

static mq_status measure_run(part *p, const mq_held *h)
{
    const mq_sense *s = p->s;
    mq_status rc = MQ_OK;

    mq_sense_arrays_at(s, h, p->place, p->in);
    MQ_TRY(mq_running_run(&p->run, p->in, s->err));
    for (size_t i = 0; i < p->run.n_out; i++) {
        if (is_compared(h->truth[p->output[i]]) && is_compared(p->run.out[i]))
            MQ_TRY(mq_compare_add(&p->sums[i], p->run.out[i], h->truth[p->output[i]], 0, 0, s->err));
        if (s->out->has_metric && p->output[i] == s->judged)
            MQ_TRY(mq_sense_judge(s, p->metrics, h, p->run.out[i]));
    }
done:
    return rc;
}

static double noise_of(const mq_compare *c)
{
    if (c->nonfinite)
        return INFINITY;
    return c->sum_dd > 0 ? c->sum_dd / c->sum_bb : 0;
}

static mq_status measure_level(part *p, size_t level)
{
    mq_sense *s = p->s;
    mq_sense_point *out = &s->out->points[p->number * s->o->n_levels + level];
    double noise = 0, metric = s->out->has_metric ? s->out->first : NAN;
    mq_status rc;

    memset(p->sums, 0, p->n_outputs * sizeof *p->sums);
    MQ_TRY(mq_metrics_create(&p->metrics, s->err));
    MQ_TRY(change_to(p, level));
    for (size_t i = 0; i < s->n_runs; i++) {
        MQ_TRY(mq_check_cancelled(s->o->hooks, s->err));
        MQ_TRY(measure_run(p, &s->runs[i]));
    }
    for (size_t i = 0; i < p->run.n_out; i++)
        noise = fmax(noise, noise_of(&p->sums[i]));
    if (s->out->has_metric)
        mq_metrics_value(p->metrics, s->out->metric, &metric);
    *out = (mq_sense_point){ noise, metric };
done:
    mq_metrics_free(p->metrics);
    p->metrics = NULL;
    return rc;
}

static mq_status measure_part(mq_sense *s, size_t item)
{
    part p = { .s = s, .item = &s->o->items[item], .number = item, .place = s->place[item] };
    mq_status rc;

    MQ_TRY(open_part(&p));
    for (size_t l = 0; l < s->o->n_levels; l++)
        if (!s->o->skips || !s->o->skips(s->o->user, item, l))
            MQ_TRY(measure_level(&p, l));
done:
    close_part(&p);
    return rc;
}

/* A part that nothing reads loses nothing. */
static void nothing_lost(mq_sense *s, size_t item)
{
    for (size_t l = 0; l < s->o->n_levels; l++)
        s->out->points[item * s->o->n_levels + l] = (mq_sense_point){ 0, s->out->has_metric ? s->out->first : NAN };
}

static mq_status measure_all(mq_sense *s)
{
    size_t at = 1; /* inputs cross the first node, if they are read at all */
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < s->o->n_items; i++) {
        const size_t item = s->order[i];

        if (s->o->deadline > 0 && mq_seconds() >= s->o->deadline)
            break;
        if (s->place[item] == SIZE_MAX) {
            nothing_lost(s, item);
        } else {
            if (s->place[item] != at)
                MQ_TRY(mq_sense_carry(s, at, s->place[item]));
            at = s->place[item];
            MQ_TRY(measure_part(s, item));
        }
        s->out->n_measured++;
        mq_progress(s->o->hooks, "sensitivity", i + 1, s->o->n_items);
    }
done:
    return rc;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static mq_status prepare_result(mq_sense *s)
{
    const size_t n = s->o->n_items * s->o->n_levels;
    mq_sense_result *out = s->out;

    *out = (mq_sense_result){ .n_items = s->o->n_items, .n_levels = s->o->n_levels, .first = NAN };
    out->points = malloc((n + 1) * sizeof *out->points);
    s->place = calloc(s->o->n_items + 1, sizeof *s->place);
    s->order = calloc(s->o->n_items + 1, sizeof *s->order);
    if (!out->points || !s->place || !s->order)
        return mq_oom(s->err);
    for (size_t i = 0; i < n; i++)
        out->points[i] = (mq_sense_point){ NAN, NAN };
    return MQ_OK;
}

/* Where the graph is entered, and how much of the data is taken. */
static mq_status prepare_runs(mq_sense *s)
{
    const mq_data_call *call;
    mq_status rc;

    MQ_TRY(mq_sense_open_data(s, 0));
    MQ_TRY(mq_dataset_next(s->data, &call, s->err));
    if (!call)
        MQ_TRY(mq_fail(s->err, MQ_ERR_INPUT, "the data hold no sample"));
    s->fed = call->in;
    MQ_TRY(mq_spans_find(&s->spans, s->model->graph, is_fed, s, s->err));
    s->bytes = calloc(s->spans.n + 1, sizeof *s->bytes);
    s->made = calloc(s->spans.n + 1, sizeof *s->made);
    s->names = calloc(2 * (s->spans.n + 1), sizeof *s->names);
    if (!s->bytes || !s->made || !s->names)
        MQ_TRY(mq_oom(s->err));
    find_places(s);
    MQ_TRY(probe(s, call));
    choose_runs(s, call->n ? call->n : 1);
done:
    s->fed = NULL;
    return rc;
}

static void release(mq_sense *s)
{
    mq_sense_let_go(s);
    mq_running_close(&s->whole);
    mq_dataset_free(s->data);
    mq_spans_release(&s->spans);
    free(s->place);
    free(s->order);
    free(s->bytes);
    free(s->made);
    free(s->names);
    mq_model_free(s->model);
}

mq_status mq_sense_measure(mq_sense_result *out, mq_model *m, const mq_sense_opts *opts, mq_error *err)
{
    mq_sense s = { .o = opts, .out = out, .err = err };
    const double since = mq_seconds();
    mq_status rc;

    MQ_TRY(prepare_result(&s));
    MQ_TRY(prepare_model(&s, m));
    MQ_TRY(mq_running_open(&s.whole, s.model, NULL, opts->hooks, err));
    MQ_TRY(prepare_runs(&s));
    MQ_TRY(mq_sense_hold(&s));
    MQ_TRY(mq_sense_judge_original(&s));
    MQ_TRY(measure_all(&s));
    out->seconds = mq_seconds() - since;
done:
    release(&s);
    if (rc != MQ_OK)
        mq_sense_release(out);
    return rc;
}

void mq_sense_release(mq_sense_result *r)
{
    free(r->points);
    *r = (mq_sense_result){ 0 };
}
