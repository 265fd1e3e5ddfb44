/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq_bench: loads the models, makes them ready, measures case by case, then profiles and judges them. */
#include "mq/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/bench_parts.h"
#include "api/peer.h"
#include "base/threads.h"
#include "data/convert.h"
#include "report/census.h"

enum { MOST_CALLS = 8 }; /* as many shapes as kernels' states are kept for */
#define MOST_INPUT_BYTES ((size_t)64 << 20)

/* The result and what its pointers point to. */
typedef struct holder {
    mq_bench_result result;
    mq_arena *arena;
} holder;

mq_bench_opts mq_bench_opts_default(void)
{
    return (mq_bench_opts){ .warmup = -1, .max_evals = 50 };
}

void mq_bench_result_free(mq_bench_result *result)
{
    if (result)
        mq_arena_free(((holder *)result)->arena); /* its first member */
}

const char *mq_bench_label(const mq_bench_job *j, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;

    for (size_t i = 0; i < j->n_entries; i++) {
        const char *other = strrchr(j->entries[i].path, '/');

        other = other ? other + 1 : j->entries[i].path;
        if (j->entries[i].path != path && strcmp(other, base) == 0)
            return path;
    }
    return base;
}

/* ---- models -------------------------------------------------------------------------------------------------------- */

typedef struct file_sum {
    mq_model *model;
    mq_map seen;
    uint64_t bytes;
} file_sum;

/* Each external file once, as large as it is. */
static mq_status add_file(void *user, mq_tensor *t, const char *name, mq_error *err)
{
    file_sum *s = user;
    mq_buf *buf = NULL;

    (void)name;
    if (t->storage != MQ_STORE_EXTERNAL || !t->external.location || mq_map_get(&s->seen, t->external.location))
        return MQ_OK;
    if (!mq_map_put(&s->seen, t->external.location, s))
        return mq_oom(err);
    if (s->model->open_external && s->model->open_external(s->model, t->external.location, &buf, err) == MQ_OK)
        s->bytes += buf->size;
    return MQ_OK;
}

static mq_status measure_size(mq_bench_entry *e, mq_error *err)
{
    file_sum s = { .model = e->model };
    const mq_status rc = mq_model_each_tensor(e->model, add_file, &s, err);

    mq_map_release(&s.seen);
    e->out->model_bytes = e->model->file_bytes;
    e->out->data_bytes = s.bytes;
    return rc;
}

static mq_status open_entry(mq_bench_job *j, mq_bench_entry *e, mq_error *err)
{
    const mq_bench_opts *o = j->opts;
    const mq_plan_opts plan = { .inputs = o->inputs, .n_inputs = o->n_inputs, .outputs = o->outputs, .n_outputs =
                                o->n_outputs,
                                /* what is judged is judged in numbers; another engine takes the model as it is */
                                .float_edges = !o->with_onnxruntime && (o->source.n_data || o->bounds.has_sqnr) };
    double start = mq_seconds();
    mq_status rc;

    MQ_TRY(mq_model_load(&e->model, e->path, err));
    e->out->load_ms = (mq_seconds() - start) * 1e3;
    if (!e->model->graph)
        MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "the model has no graph"));
    start = mq_seconds();
    MQ_TRY(mq_source_declare(&o->source, e->model, err));
    MQ_TRY(mq_need_tensors(e->model, "--inputs", o->inputs, o->inputs ? o->n_inputs : 0, err));
    MQ_TRY(mq_need_tensors(e->model, "--outputs", o->outputs, o->outputs ? o->n_outputs : 0, err));
    MQ_TRY(mq_running_open(&e->run, e->model, &plan, j->hooks, err));
    e->out->plan_ms = (mq_seconds() - start) * 1e3;
    rc = measure_size(e, err);
done:
    if (rc != MQ_OK && j->n_entries > 1)
        mq_error_prefix(err, "%s", e->path);
    return rc;
}

/* ---- inputs -------------------------------------------------------------------------------------------------------- */

static void drop_calls(mq_bench_entry *e)
{
    for (size_t i = 0; i < e->n_calls; i++)
        for (size_t k = 0; k < e->run.n_in; k++)
            mq_array_unref(e->calls[i][k]);
    e->n_calls = 0;
}

static mq_status hold_call(mq_bench_job *j, mq_bench_entry *e, const mq_data_call *call, size_t *bytes, mq_error *err)
{
    mq_array **in = mq_arena_calloc(j->arena, e->run.n_in + 1, sizeof *in);
    mq_status rc = in ? MQ_OK : mq_oom(err);

    for (size_t k = 0; k < e->run.n_in && rc == MQ_OK; k++) {
        if (!call->in[k])
            continue;
        rc = mq_array_own(&in[k], call->in[k], err);
        *bytes += rc == MQ_OK && in[k]->kind == MQ_TYPE_TENSOR ? mq_array_bytes(in[k]) : 0;
    }
    if (rc == MQ_OK)
        e->calls[e->n_calls++] = in;
    else
        for (size_t k = 0; in && k < e->run.n_in; k++)
            mq_array_unref(in[k]);
    return rc;
}

/* The first runs of the data, of one size: reading is no part of what is measured. */
static mq_status hold_calls(mq_bench_job *j, mq_bench_entry *e, mq_error *err)
{
    const size_t most = j->opts->source.n_carry ? 1 : MOST_CALLS; /* state would have to be carried */
    size_t bytes = 0;
    mq_status rc;

    if (!e->calls && !(e->calls = mq_arena_calloc(j->arena, MOST_CALLS, sizeof *e->calls)))
        return mq_oom(err);
    while (e->n_calls < most && bytes < MOST_INPUT_BYTES) {
        const mq_data_call *call;
        size_t samples;

        MQ_TRY(mq_dataset_next(e->data, &call, err));
        if (!call)
            break;
        samples = call->n ? call->n : 1;
        if (e->n_calls && samples != e->samples)
            break;
        e->samples = samples;
        MQ_TRY(hold_call(j, e, call, &bytes, err));
    }
    rc = e->n_calls ? MQ_OK : mq_fail(err, MQ_ERR_INPUT, "the data hold no sample");
done:
    return rc;
}

static mq_status open_data(mq_bench_job *j, mq_bench_entry *e, bool first, mq_error *err)
{
    const mq_bench_opts *o = j->opts;
    mq_data_source source = o->source;
    const char *generated[1];
    char text[32];
    mq_status rc;

    source.batch = j->batch;
    if (!source.n_data) { /* as many as a run takes */
        snprintf(text, sizeof text, "random:%lld", (long long)(j->batch ? j->batch : 1));
        generated[0] = text;
        source.data = generated;
        source.n_data = 1;
    }
    drop_calls(e);
    mq_dataset_free(e->data);
    e->data = NULL;
    MQ_TRY(mq_source_open(&e->data, &source, e->run.inputs, e->run.n_in, e->run.outputs, e->run.n_out, j->hooks, err));
    if (first)
        mq_source_tell(&o->source, e->data, o->note, o->user);
    MQ_TRY(hold_calls(j, e, err));
    if (first && j->batch > 0 && e->samples < (size_t)j->batch)
        mq_tell(o->note, o->user, "the data hold %zu sample%s: batch %lld is measured with %s", e->samples,
                e->samples == 1 ? "" : "s", (long long)j->batch, e->samples == 1 ? "it" : "these");
    if (first)
        mq_source_look(e->data, e->run.inputs, e->run.n_in, o->detail, o->user);
done:
    if (rc != MQ_OK && j->n_entries > 1)
        mq_error_prefix(err, "%s", e->path);
    return rc;
}

/* ---- cases --------------------------------------------------------------------------------------------------------- */

/* The runner of a plan, anew, with that many threads: states of kernels depend on them. */
static mq_status set_threads(mq_bench_job *j, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < j->n_entries && rc == MQ_OK; i++) {
        mq_running *r = &j->entries[i].run;

        mq_runner_free(r->runner);
        r->runner = NULL;
        if ((rc = mq_runner_create(&r->runner, r->plan, j->threads, err)) == MQ_OK)
            mq_runner_seed(r->runner, j->opts->source.seed);
    }
    return rc;
}

/* ONNX Runtime with the entry's model and inputs. What it does not take is unsupported here, and no fault of the model. */
static mq_status start_peer(const mq_bench_job *j, mq_racer *r, mq_error *err)
{
    const mq_bench_entry *e = r->entry;
    mq_status rc = mq_peer_start(&r->peer, e->path, j->threads, err);

    for (size_t i = 0; i < e->n_calls && rc == MQ_OK; i++)
        rc = mq_peer_hold(r->peer, e->run.inputs, e->calls[i], e->run.n_in, err);
    return rc == MQ_ERR_INPUT ? MQ_ERR_UNSUPPORTED : rc;
}

static mq_status run_case(mq_bench_job *j, mq_error *err)
{
    const size_t n = j->n_entries * (j->opts->with_onnxruntime ? 2 : 1);
    mq_racer *racers = calloc(n + 1, sizeof *racers);
    mq_status rc = racers ? set_threads(j, err) : mq_oom(err);

    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        racers[i].entry = &j->entries[i % j->n_entries];
        racers[i].per_turn = 1;
        if (i >= j->n_entries)
            rc = start_peer(j, &racers[i], err);
    }
    if (rc == MQ_OK)
        rc = mq_bench_race(j, racers, n, err);
    if (rc == MQ_OK)
        rc = mq_bench_case_bounds(j, racers, n, err);
    for (size_t i = 0; racers && i < n; i++) {
        mq_peer_stop(racers[i].peer);
        mq_vec_release(&racers[i].ms);
        mq_vec_release(&racers[i].rounds);
        mq_vec_release(&racers[i].waits);
    }
    free(racers);
    return rc;
}

static mq_status run_cases(mq_bench_job *j, mq_error *err)
{
    const mq_bench_opts *o = j->opts;
    const size_t n_batches = o->n_batches ? o->n_batches : 1, n_threads = o->n_threads ? o->n_threads : 1;
    mq_status rc = MQ_OK;

    j->n_shares = n_batches * n_threads + 1;
    for (size_t b = 0; b < n_batches; b++) {
        j->batch = o->n_batches ? o->batches[b] : 0;
        for (size_t i = 0; i < j->n_entries; i++)
            MQ_TRY(open_data(j, &j->entries[i], b == 0 && i == 0, err));
        if (b == 0)
            MQ_TRY(mq_bench_check_quality(j, err));
        for (size_t t = 0; t < n_threads; t++) {
            j->threads = mq_threads(o->n_threads ? o->threads[t] : j->hooks ? j->hooks->n_threads : 0);
            MQ_TRY(run_case(j, err));
            j->n_shares--;
            if (b == 0 && t == 0)
                MQ_TRY(mq_bench_profile(j, err));
        }
    }
done:
    return rc;
}

static mq_status open_entries(mq_bench_job *j, const char *const *files, size_t n, holder *h, mq_error *err)
{
    mq_bench_model *models = mq_arena_calloc(j->arena, n, sizeof *models);
    mq_status rc = MQ_OK;

    if (!models || !(j->entries = mq_arena_calloc(j->arena, n, sizeof *j->entries)))
        return mq_oom(err);
    j->n_entries = n;
    for (size_t i = 0; i < n; i++) {
        if (!(models[i].file = j->entries[i].path = mq_arena_strdup(j->arena, files[i])))
            return mq_oom(err);
        models[i].engine = "mq";
        models[i].metric_output = models[i].sqnr_output = "";
        models[i].sqnr = NAN;
        j->entries[i].out = &models[i];
    }
    for (size_t i = 0; i < n && rc == MQ_OK; i++)
        rc = open_entry(j, &j->entries[i], err);
    h->result.models = models;
    h->result.n_models = n;
    return rc;
}

static void close_job(mq_bench_job *j)
{
    for (size_t i = 0; i < j->n_entries; i++) {
        drop_calls(&j->entries[i]);
        mq_dataset_free(j->entries[i].data);
        mq_running_close(&j->entries[i].run);
        mq_model_free(j->entries[i].model);
    }
}

mq_status mq_bench(const char *const *files, size_t n_files, const mq_bench_opts *opts, mq_report *report,
                   const mq_hooks *hooks,
                   mq_bench_result **out, mq_error *err)
{
    mq_bench_job j = { .opts = opts, .hooks = hooks, .report = report, .random = opts->source.seed,
                       .deadline = opts->time_limit > 0 ? mq_seconds() + opts->time_limit : INFINITY };
    holder *h = NULL;
    mq_status rc = mq_bench_check_bounds(files, n_files, opts, err);

    if (rc != MQ_OK)
        return rc;
    if (!(j.arena = mq_arena_create()) || !(h = mq_arena_alloc(j.arena, sizeof *h))) {
        mq_arena_free(j.arena);
        return mq_oom(err);
    }
    h->arena = j.arena;
    MQ_TRY(open_entries(&j, files, n_files, h, err));
    MQ_TRY(run_cases(&j, err));
    h->result.generated = mq_dataset_generated(j.entries[0].data);
    MQ_TRY(mq_bench_quality(&j, err));
    mq_source_warn(&opts->source, j.entries[0].data, hooks);
    MQ_TRY(mq_bench_eval(&j, err));
    MQ_TRY(mq_bench_model_bounds(&j, err));
    h->result.latency = j.rows.items;
    h->result.n_latency = j.rows.n;
    h->result.peers = j.peers;
    h->result.n_peers = j.peers ? j.n_entries : 0;
    MQ_TRY(mq_bench_fill_report(&j, err));
    rc = mq_report_status(report, err);
done:
    close_job(&j);
    if (rc == MQ_OK)
        *out = &h->result;
    else
        mq_arena_free(j.arena);
    return rc;
}
