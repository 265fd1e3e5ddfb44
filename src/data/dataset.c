/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Opening a dataset: options are parsed, files opened, columns matched with inputs, and sizes compared. What can be
 * found wrong is found here. Runs are made in calls.c. */
#include "data/dataset.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static const char *data_option(const mq_dataset *ds)
{
    return ds->opts.val ? "--val-data" : "--data";
}

mq_status mq_dataset_note(mq_dataset *ds, mq_error *err, const char *fmt, ...)
{
    char text[600];
    const char *copy;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < ds->notes.n; i++)
        if (strcmp(ds->notes.items[i], text) == 0)
            return MQ_OK;
    copy = mq_arena_strdup(ds->arena, text);
    return copy && mq_vec_push(&ds->notes, copy) ? MQ_OK : mq_oom(err);
}

static void note_size(void *user, const char *text)
{
    (void)mq_dataset_note(user, NULL, "%s", text); /* a note lost for want of memory is no loss */
}

/* ---- sources -------------------------------------------------------------------------------------------------------- */

static mq_status open_table(mq_dataset *ds, mq_part *s, mq_error *err)
{
    static const mq_table_ops none = { 0 };
    const char *path = s->spec.path;
    struct stat st;
    mq_status rc;

    if (!path) {
        if ((rc = mq_table_create(&s->table, sizeof *s->table, &none, s->spec.text, 0, err)) == MQ_OK) {
            s->table->generated = true;
            s->table->n_rows = s->spec.n_random;
        }
        return rc;
    }
    if (stat(path, &st) != 0)
        return mq_fail_errno(err, MQ_ERR_INPUT, "read", path);
    if (!S_ISDIR(st.st_mode))
        mq_note_file(ds->hooks, path, false);
    if (S_ISDIR(st.st_mode) && mq_is_test_folder(path))
        return mq_table_tests(&s->table, path, ds->inputs, ds->n_inputs, ds->outputs, ds->n_outputs, ds->hooks, err);
    if (S_ISDIR(st.st_mode) || mq_ends_with(path, ".txt"))
        return mq_table_images(&s->table, path, !S_ISDIR(st.st_mode), ds->hooks, err);
    if (mq_ends_with(path, ".npz"))
        return mq_table_npz(&s->table, path, err);
    if (mq_ends_with(path, ".npy"))
        return mq_table_npy(&s->table, path, err);
    if (mq_ends_with(path, ".jsonl"))
        return mq_table_jsonl(&s->table, path, err);
    return mq_fail(err, MQ_ERR_USAGE,
                   "%s '%s': the forms are .npz, .npy, .jsonl, a folder or .txt list of pictures, a folder of "
                   "test_data_set_N, and random:N", data_option(ds), s->spec.text);
}

static mq_status open_labels(mq_dataset *ds, mq_part *s, const char *text, mq_error *err)
{
    const char *option = ds->opts.val ? "--val-labels" : "--labels";
    const bool images = s->table->n_columns && s->table->columns[0].image;
    char *why = NULL;
    mq_status rc = MQ_OK;

    s->label_column = -1;
    if (text) {
        if ((rc = mq_labels_open(&s->labels, &s->label_column, text, s->table, option, err)) == MQ_OK && s->labels)
            mq_note_file(ds->hooks, s->labels->path, false);
    } else if (images && (rc = mq_labels_beside(&s->labels, &why, s->table, err)) == MQ_OK) {
        s->label_column = s->labels ? 0 : -1;
        if (s->labels) {
            mq_note_file(ds->hooks, s->labels->path, false);
            rc = mq_dataset_note(ds, err, "labels are from %s", s->labels->path);
        } else if (why) {
            rc = mq_dataset_note(ds, err, "%s", why);
        }
    }
    free(why);
    ds->has_labels |= s->label_column >= 0;
    return rc;
}

/* Labels are read by rows: there must be as many as samples. */
static mq_status check_labels(const mq_part *s, mq_error *err)
{
    const mq_table *t = s->labels ? s->labels : s->table;
    const mq_column *c = s->label_column >= 0 ? &t->columns[s->label_column] : NULL;

    if (!c)
        return MQ_OK;
    if (c->dense && (c->rank < 1 || (uint64_t)c->dims[0] != s->table->n_rows))
        return mq_fail(err, MQ_ERR_INPUT, "%s: %lld labels for the %llu samples of %s", t->path,
                       c->rank < 1 ? 1ll : (long long)c->dims[0], (unsigned long long)s->table->n_rows, s->table->path);
    if (c->dtype == MQ_STRING)
        return mq_fail(err, MQ_ERR_INPUT, "%s: labels are numbers, not strings", t->path);
    return MQ_OK;
}

static mq_status parse_sources(mq_dataset *ds, const mq_data_opts *o, mq_error *err)
{
    const char **names = calloc(ds->n_inputs + 1, sizeof *names);
    mq_status rc = names ? MQ_OK : mq_oom(err);

    for (size_t i = 0; names && i < ds->n_inputs; i++)
        names[i] = ds->inputs[i]->name;
    if (o->n_labels > o->n_data && rc == MQ_OK)
        rc = mq_fail(err, MQ_ERR_USAGE, "%zu %s for %zu %s: the n-th belongs to the n-th", o->n_labels,
                     ds->opts.val ? "--val-labels" : "--labels", o->n_data, data_option(ds));
    for (size_t i = 0; rc == MQ_OK && i < o->n_data; i++) {
        mq_part *s = &ds->sources[i];
        const char *text = mq_arena_strdup(ds->arena, o->data[i]);

        s->label_column = -1;
        s->in = mq_arena_calloc(ds->arena, ds->n_inputs + 1, sizeof *s->in);
        s->want = mq_arena_calloc(ds->arena, ds->n_outputs + 1, sizeof *s->want);
        if (!text || !s->in || !s->want) {
            rc = mq_oom(err);
            break;
        }
        for (size_t k = 0; k < ds->n_inputs; k++)
            s->in[k].column = -1;
        for (size_t k = 0; k < ds->n_outputs; k++)
            s->want[k].column = -1;
        ds->n_sources++;
        rc = mq_parse_source(&s->spec, ds->arena, text, names, ds->n_inputs, data_option(ds), err);
        if (rc == MQ_OK && s->spec.input >= 0) {
            ds->grouped[s->spec.input] = true;
            if (ds->carry[s->spec.input] >= 0)
                rc = mq_fail(err, MQ_ERR_USAGE, "'%s': the input is carried: leave --carry or its data out", text);
        }
    }
    free(names);
    return rc;
}

/* The only source of an input's own group; NULL: there is none, or several. */
static mq_part *only_source(const mq_dataset *ds, int group)
{
    mq_part *only = NULL;

    for (size_t i = 0; i < ds->n_sources; i++) {
        if (ds->sources[i].spec.input != group)
            continue;
        if (only)
            return NULL;
        only = &ds->sources[i];
    }
    return only;
}

/* Is a column exactly its input, so that it may be meant to be given whole? */
static bool could_be_whole(const mq_dataset *ds, int group)
{
    const mq_part *s = group < 0 ? NULL : only_source(ds, group);
    const mq_type *t = s ? mq_port_type(ds->inputs[group]) : NULL;
    const mq_column *c = s && s->in[group].column >= 0 ? &s->table->columns[s->in[group].column] : NULL;

    if (!c || !c->dense || !t || t->kind != MQ_TYPE_TENSOR || t->rank != c->rank || ds->pipelines[group])
        return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i].value != c->dims[i])
            return false;
    return true;
}

/* The samples of a state that feeds its input alone, if it is one; 0: it is none. */
static int64_t rows_of_state(const mq_dataset *ds, int group)
{
    const mq_part *s = group < 0 ? NULL : only_source(ds, group);
    const mq_column *c = s && s->in[group].column >= 0 ? &s->table->columns[s->in[group].column] : NULL;

    return c && c->rank == 3 && !ds->pipelines[group] && mq_column_is_state(c, ds->inputs[group], c->dims[1]) ? c->dims[1]
                                                                                                               : 0;
}

/* As the other groups need it: a state of as many samples, else the whole array in each run. */
static void make_fit(mq_dataset *ds, int group)
{
    mq_part *s = only_source(ds, group);
    const bool state = (uint64_t)rows_of_state(ds, group) == ds->n_total;

    s->in[group].mode = state ? MQ_FEED_STATE : MQ_FEED_WHOLE;
    s->single = false;
    s->table->n_rows = ds->n_total;
}

/* Numbers the samples of a group; 0: it has no source. */
static mq_status count_group(mq_dataset *ds, int group, uint64_t *n, bool *here, mq_error *err)
{
    *n = 0;
    *here = false;
    for (size_t i = 0; i < ds->n_sources; i++) {
        mq_part *s = &ds->sources[i];

        if (s->spec.input != group)
            continue;
        *here = true;
        s->first = *n;
        if (__builtin_add_overflow(*n, s->table->n_rows, n))
            return mq_fail(err, MQ_ERR_INPUT, "too many samples");
    }
    return MQ_OK;
}

/* All groups have the same number; columns that may be whole follow what the others say. */
static mq_status count_samples(mq_dataset *ds, mq_error *err)
{
    bool any = false, here;
    uint64_t n;
    mq_status rc;

    for (int pass = 0; pass < 2; pass++)
        for (int group = -1; group < (int)ds->n_inputs; group++) {
            const bool bends = could_be_whole(ds, group) || rows_of_state(ds, group) > 0;

            if (bends != (pass == 1))
                continue;
            if ((rc = count_group(ds, group, &n, &here, err)) != MQ_OK)
                return rc;
            if (here && any && n != ds->n_total && !could_be_whole(ds, group) &&
                (uint64_t)rows_of_state(ds, group) != ds->n_total)
                return mq_fail(err, MQ_ERR_INPUT, "the data of input '%s' have %llu samples, the others %llu",
                               ds->inputs[group]->name, (unsigned long long)n, (unsigned long long)ds->n_total);
            if (here && any && n != ds->n_total)
                make_fit(ds, group);
            else if (here)
                ds->n_total = n;
            any |= here;
        }
    if (!any) /* --fill alone: one run */
        ds->n_total = 1;
    if (!ds->n_total)
        return mq_fail(err, MQ_ERR_INPUT, "%s%sthe data have no samples", ds->n_sources ? ds->sources[0].table->path : "",
                       ds->n_sources ? ": " : "");
    ds->n_samples = ds->opts.samples && ds->opts.samples < ds->n_total ? ds->opts.samples : ds->n_total;
    return MQ_OK;
}

/* ---- the batch ------------------------------------------------------------------------------------------------------ */

/* Inputs that have no source at all. */
static mq_status check_all_fed(const mq_dataset *ds, mq_error *err)
{
    bool rows = false;

    for (size_t i = 0; i < ds->n_sources; i++)
        rows |= ds->sources[i].spec.input < 0;
    for (size_t i = 0; i < ds->n_inputs && !rows; i++)
        if (mq_port_required(ds->inputs[i]) && !ds->grouped[i] && !ds->fills[i] && ds->carry[i] < 0)
            return mq_mismatch(ds, ds->n_sources ? &ds->sources[0] : NULL, MQ_ERR_INPUT, err, "nothing feeds input '%s'",
                               ds->inputs[i]->name);
    return MQ_OK;
}

/* The batch that the model fixes for an input; 0: open. */
static int64_t fixed_batch(const mq_value *v)
{
    const mq_type *t = mq_port_type(v);

    return t && t->kind == MQ_TYPE_TENSOR && t->rank > 0 && mq_dim_known(t->dims[0]) ? t->dims[0].value : 0;
}

struct batch {
    int64_t fixed;
    const mq_value *by; /* which input fixed it */
    bool stacked, single, calls, generated;
    const char *path; /* of what made it single */
};

static mq_status look_at_source(const mq_dataset *ds, const mq_part *s, struct batch *b, mq_error *err)
{
    b->generated |= s->table->generated;
    b->calls |= s->table->calls;
    if (s->single) {
        b->single = true;
        b->path = s->table->path;
    }
    for (size_t i = 0; i < ds->n_inputs; i++) {
        const int64_t fixed = fixed_batch(ds->inputs[i]);

        if (s->in[i].column < 0 || s->in[i].mode != MQ_FEED_STACK)
            continue;
        b->stacked = true;
        if (fixed && b->fixed && fixed != b->fixed)
            return mq_fail(err, MQ_ERR_INPUT,
                           "inputs '%s' and '%s' have batches of %lld and %lld: data with a row for each run are "
                           "needed", b->by->name, ds->inputs[i]->name, (long long)b->fixed, (long long)fixed);
        if (fixed) {
            b->fixed = fixed;
            b->by = ds->inputs[i];
        }
    }
    return MQ_OK;
}

/* Generated inputs: the first one that has an axis 0 says what the batch is. */
static void look_at_generated(const mq_dataset *ds, struct batch *b)
{
    for (size_t i = 0; i < ds->n_inputs; i++) {
        const mq_type *t = mq_port_type(ds->inputs[i]);

        if (!mq_port_required(ds->inputs[i]) || ds->carry[i] >= 0 || !t || t->kind != MQ_TYPE_TENSOR || t->rank < 1)
            continue;
        b->stacked = true;
        if (!mq_dim_known(t->dims[0])) {
            b->fixed = 0;
            return;
        }
        if (!b->fixed) {
            b->fixed = t->dims[0].value;
            b->by = ds->inputs[i];
        }
    }
}

static mq_status choose_batch(mq_dataset *ds, mq_error *err)
{
    const int64_t asked = ds->opts.batch;
    struct batch b = { 0 };
    mq_status rc;

    for (size_t i = 0; i < ds->n_sources; i++)
        if ((rc = look_at_source(ds, &ds->sources[i], &b, err)) != MQ_OK)
            return rc;
    if (!b.stacked && !b.single)
        look_at_generated(ds, &b);
    if (b.calls && b.stacked)
        return mq_fail(err, MQ_ERR_USAGE, "test folders cannot be joined with other data");
    if (asked > 1 && b.single)
        return mq_fail(err, MQ_ERR_USAGE, "--batch %lld: in %s each row is a run of its own", (long long)asked, b.path);
    if (asked && b.fixed && asked != b.fixed && !b.single)
        return mq_fail(err, MQ_ERR_USAGE, "--batch %lld: input '%s' has a fixed batch of %lld", (long long)asked, b.by->name,
                       (long long)b.fixed);
    if (b.single && b.stacked && b.fixed > 1)
        return mq_fail(err, MQ_ERR_INPUT, "input '%s' has a batch of %lld, but in %s each row is a run of its own",
                       b.by->name, (long long)b.fixed, b.path);
    if (ds->has_carry && (b.fixed > 1 || asked > 1))
        return mq_fail(err, MQ_ERR_USAGE, "--carry goes from sample to sample: the batch must be 1");
    ds->fixed = b.fixed > 0 && !b.single;
    ds->batch = b.calls || !b.stacked ? 0 : ds->fixed ? (size_t)b.fixed : b.single || !asked ? 1 : (size_t)asked;
    return MQ_OK;
}

/* ---- open ----------------------------------------------------------------------------------------------------------- */

static mq_status make_lists(mq_dataset *ds, const mq_data_opts *o, const mq_value *const *inputs,
                            const mq_value *const *outputs, mq_error *err)
{
    mq_arena *a = ds->arena;
    const size_t n = ds->n_inputs + 1, k = ds->n_outputs + 1;

    if (!(ds->inputs = mq_arena_calloc(a, n, sizeof *ds->inputs)) ||
        !(ds->outputs = mq_arena_calloc(a, k, sizeof *ds->outputs)) ||
        !(ds->sources = mq_arena_calloc(a, o->n_data + 1, sizeof *ds->sources)) ||
        !(ds->grouped = mq_arena_calloc(a, n, sizeof *ds->grouped)) ||
        !(ds->carry = mq_arena_calloc(a, n, sizeof *ds->carry)) ||
        !(ds->pipelines = mq_arena_calloc(a, n, sizeof *ds->pipelines)) ||
        !(ds->fills = mq_arena_calloc(a, n, sizeof *ds->fills)) ||
        !(ds->carried = mq_arena_calloc(a, n, sizeof *ds->carried)) ||
        !(ds->call_in = mq_arena_calloc(a, n, sizeof *ds->call_in)) ||
        !(ds->call_want = mq_arena_calloc(a, k, sizeof *ds->call_want)) ||
        !(ds->looks = mq_arena_calloc(a, n, sizeof *ds->looks)))
        return mq_oom(err);
    for (size_t i = 0; i < ds->n_inputs; i++) {
        ds->inputs[i] = inputs[i];
        ds->carry[i] = -1;
    }
    for (size_t i = 0; i < ds->n_outputs; i++)
        ds->outputs[i] = outputs[i];
    return MQ_OK;
}

static mq_status make_slots(mq_dataset *ds, mq_error *err)
{
    const size_t most = ds->n_samples < SIZE_MAX / 2 ? (size_t)ds->n_samples : SIZE_MAX / 2;

    ds->n_slots = ds->batch < 1 ? 1 : ds->batch < most ? ds->batch : most;
    ds->slots = mq_arena_calloc(ds->arena, ds->n_slots + 1, sizeof *ds->slots);
    ds->call_samples = mq_arena_calloc(ds->arena, ds->n_slots, sizeof *ds->call_samples);
    if (!ds->slots || !ds->call_samples)
        return mq_oom(err);
    for (size_t i = 0; i <= ds->n_slots; i++) {
        ds->slots[i].in = mq_arena_calloc(ds->arena, ds->n_inputs + 1, sizeof(mq_array *));
        ds->slots[i].want = mq_arena_calloc(ds->arena, ds->n_outputs + 1, sizeof(mq_array *));
        if (!ds->slots[i].in || !ds->slots[i].want)
            return mq_oom(err);
    }
    return MQ_OK;
}

/* Shapes of inputs that nothing feeds, tried before any work. Those that follow from what is fed are known only then. */
static mq_status try_generated(mq_dataset *ds, mq_error *err)
{
    mq_fill_run run = { .rows = ds->batch, .seed = ds->opts.seed, .guess = true, .note = note_size, .user = ds };
    int64_t dims[MQ_MAX_RANK];
    mq_status rc = MQ_OK;
    int rank;

    for (size_t i = 0; i < ds->n_inputs && rc == MQ_OK && mq_dataset_generated(ds); i++) {
        const mq_fill random = { .kind = MQ_FILL_RANDOM };

        if (mq_port_required(ds->inputs[i]) && ds->carry[i] < 0)
            rc = mq_fill_shape(&run, ds->inputs[i], ds->fills[i] ? ds->fills[i] : &random, &rank, dims, err);
    }
    mq_sizes_release(&run.sizes);
    return rc;
}

/* A range of whole batches. */
static mq_status choose_part(mq_dataset *ds, mq_error *err)
{
    const uint64_t rows = ds->batch ? ds->batch : 1, n = ds->n_samples / rows + (ds->n_samples % rows != 0);
    const unsigned shard = (unsigned)ds->opts.shard, n_shards = (unsigned)ds->opts.n_shards;

    ds->end = ds->n_samples;
    if (n_shards <= 1)
        return MQ_OK;
    if (ds->has_carry)
        return mq_fail(err, MQ_ERR_USAGE, "--shard: --carry goes from sample to sample, the data have no parts");
    ds->begin = (uint64_t)((unsigned __int128)n * (shard - 1) / n_shards) * rows;
    if (shard < n_shards)
        ds->end = (uint64_t)((unsigned __int128)n * shard / n_shards) * rows;
    return MQ_OK;
}

static mq_status open_all(mq_dataset *ds, const mq_data_opts *o, mq_error *err)
{
    mq_status rc;

    MQ_TRY(mq_fills_parse(ds, o, err));
    MQ_TRY(mq_carry_parse(ds, o, err));
    MQ_TRY(mq_preprocess_parse(ds, o, err));
    MQ_TRY(parse_sources(ds, o, err));
    for (size_t i = 0; i < ds->n_sources; i++) {
        mq_part *s = &ds->sources[i];

        MQ_TRY(open_table(ds, s, err));
        MQ_TRY(open_labels(ds, s, i < o->n_labels ? o->labels[i] : NULL, err));
        MQ_TRY(mq_part_match(ds, s, err));
        MQ_TRY(check_labels(s, err));
    }
    MQ_TRY(check_all_fed(ds, err));
    MQ_TRY(count_samples(ds, err));
    MQ_TRY(choose_batch(ds, err));
    MQ_TRY(choose_part(ds, err));
    MQ_TRY(try_generated(ds, err));
    rc = make_slots(ds, err);
done:
    return rc;
}

mq_status mq_dataset_open(mq_dataset **out, const mq_data_opts *opts, const mq_value *const *inputs, size_t n_inputs,
                          const mq_value *const *outputs, size_t n_outputs, const mq_hooks *hooks, mq_error *err)
{
    mq_dataset *ds = calloc(1, sizeof *ds);
    mq_status rc;

    if (!ds)
        return mq_oom(err);
    ds->arena = mq_arena_create();
    ds->opts = *opts;
    ds->n_inputs = n_inputs;
    ds->n_outputs = n_outputs;
    ds->hooks = hooks;
    ds->run.seed = opts->seed;
    ds->run.note = note_size;
    ds->run.user = ds;
    rc = ds->arena ? make_lists(ds, opts, inputs, outputs, err) : mq_oom(err);
    if (rc == MQ_OK)
        rc = open_all(ds, opts, err);
    if (rc == MQ_OK) {
        mq_dataset_rewind(ds);
        *out = ds;
    } else {
        mq_dataset_free(ds);
    }
    return rc;
}

void mq_dataset_free(mq_dataset *ds)
{
    if (!ds)
        return;
    if (ds->slots)
        mq_dataset_rewind(ds);
    for (size_t i = 0; i < ds->n_sources; i++) {
        mq_part *s = &ds->sources[i];

        for (size_t k = 0; k < ds->n_inputs; k++)
            mq_array_unref(s->in[k].whole);
        for (size_t k = 0; k < ds->n_outputs; k++)
            mq_array_unref(s->want[k].whole);
        mq_table_free(s->labels);
        mq_table_free(s->table);
    }
    for (size_t i = 0; ds->pipelines && i < ds->n_inputs; i++)
        mq_pipeline_free(ds->pipelines[i]);
    mq_sizes_release(&ds->run.sizes);
    mq_vec_release(&ds->notes);
    if (ds->arena)
        mq_arena_free(ds->arena);
    free(ds);
}

/* ---- asking --------------------------------------------------------------------------------------------------------- */

mq_part *mq_part_of(const mq_dataset *ds, int group, uint64_t sample)
{
    for (size_t i = 0; i < ds->n_sources; i++) {
        mq_part *s = &ds->sources[i];

        if (s->spec.input == group && sample >= s->first && sample - s->first < s->table->n_rows)
            return s;
    }
    return NULL;
}

uint64_t mq_dataset_n_samples(const mq_dataset *ds)
{
    return ds->end - ds->begin;
}

uint64_t mq_dataset_n_chosen(const mq_dataset *ds)
{
    return ds->n_samples;
}

uint64_t mq_dataset_n_total(const mq_dataset *ds)
{
    return ds->n_total;
}

int64_t mq_dataset_batch(const mq_dataset *ds)
{
    return (int64_t)ds->batch;
}

bool mq_dataset_has_labels(const mq_dataset *ds)
{
    return ds->has_labels;
}

bool mq_dataset_has_want(const mq_dataset *ds, size_t output)
{
    for (size_t i = 0; i < ds->n_sources; i++)
        if (ds->sources[i].want[output].column >= 0)
            return true;
    return false;
}

bool mq_dataset_generated(const mq_dataset *ds)
{
    for (size_t i = 0; i < ds->n_sources; i++)
        if (!ds->sources[i].table->generated)
            return false;
    return true;
}

void mq_dataset_sample_text(const mq_dataset *ds, uint64_t sample, char *out, size_t size)
{
    const mq_part *s = NULL;

    for (int group = -1; group < (int)ds->n_inputs && !s; group++)
        s = mq_part_of(ds, group, sample);
    if (s)
        mq_table_row_text(s->table, sample - s->first, out, size);
    else
        snprintf(out, size, "sample %llu", (unsigned long long)sample);
}

size_t mq_dataset_notes(const mq_dataset *ds, const char *const **notes)
{
    *notes = ds->notes.items;
    return ds->notes.n;
}

const mq_data_counts *mq_dataset_counts(const mq_dataset *ds)
{
    return &ds->counts;
}

const mq_input_look *mq_dataset_look(const mq_dataset *ds, size_t input)
{
    return &ds->looks[input];
}
