/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Run after run: samples are read into slots, slots with equal shapes are stacked to a batch, and inputs that no
 * data give are made to fit. A run never takes samples of two files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/convert.h"
#include "data/dataset.h"
#include "data/npy.h"
#include "model/onnx_info.h"

#define GIVE_BACK ((size_t)1 << 20) /* bytes of a mapped file that are read before their pages are given back */

/* ---- letting go ------------------------------------------------------------------------------------------------------ */

static void clear_slot(const mq_dataset *ds, mq_slot *s)
{
    for (size_t i = 0; i < ds->n_inputs; i++) {
        mq_array_unref(s->in[i]);
        s->in[i] = NULL;
    }
    for (size_t i = 0; i < ds->n_outputs; i++) {
        mq_array_unref(s->want[i]);
        s->want[i] = NULL;
    }
    mq_array_unref(s->label);
    s->label = NULL;
}

void mq_dataset_drop_call(mq_dataset *ds)
{
    for (size_t i = 0; i < ds->n_inputs; i++) {
        mq_array_unref(ds->call_in[i]);
        ds->call_in[i] = NULL;
    }
    for (size_t i = 0; i < ds->n_outputs; i++) {
        mq_array_unref(ds->call_want[i]);
        ds->call_want[i] = NULL;
    }
    mq_array_unref(ds->call.labels);
    ds->call = (mq_data_call){ .in = ds->call_in, .want = ds->call_want, .samples = ds->call_samples };
}

void mq_dataset_rewind(mq_dataset *ds)
{
    mq_dataset_drop_call(ds);
    for (size_t i = 0; i <= ds->n_slots; i++)
        clear_slot(ds, &ds->slots[i]);
    for (size_t i = 0; i < ds->n_inputs; i++) {
        mq_array_unref(ds->carried[i]);
        ds->carried[i] = NULL;
    }
    for (size_t i = 0; i < ds->n_sources; i++)
        for (size_t k = 0; k < ds->n_inputs; k++)
            ds->sources[i].in[k].given_back = 0;
    ds->at = ds->begin;
    ds->n_ready = 0;
    ds->current = NULL;
    ds->counts = (mq_data_counts){ 0 };
}

/* ---- one sample ------------------------------------------------------------------------------------------------------ */

static mq_dtype wanted_type(const mq_value *v)
{
    const mq_type *t = mq_port_type(v);

    return t && t->kind == MQ_TYPE_TENSOR ? t->dtype : MQ_UNDEFINED;
}

/* A row as the input wants it; takes over the reference. */
static mq_status adapt(const mq_dataset *ds, size_t input, const mq_column *c, mq_array *row, mq_array **out, mq_error *err)
{
    const mq_dtype want = wanted_type(ds->inputs[input]);
    mq_array *pixels = NULL;
    mq_edge edge;
    mq_status rc = MQ_OK;

    if (row->kind != MQ_TYPE_TENSOR) {
        *out = row;
        return MQ_OK;
    }
    if (ds->pipelines[input]) {
        MQ_TRY(mq_pipeline_run(ds->pipelines[input], row, c->image, &pixels, err));
        mq_array_unref(row);
        row = pixels;
    }
    if (mq_dtype_is_float(row->dtype) && mq_edge_get(ds->inputs[input], &edge))
        rc = mq_array_quantize(out, row, want, edge.scale, edge.zero_point, err);
    else
        rc = mq_array_convert(out, row, want ? want : row->dtype, err);
done:
    mq_array_unref(row);
    return rc;
}

/* Does a row of those dims fit what the input declares? batch_axis: that the row lacks; -1: none. */
static bool row_fits(const mq_type *t, const mq_array *a, int batch_axis)
{
    const int lead = batch_axis >= 0 ? 1 : 0;

    if (!t || t->kind != MQ_TYPE_TENSOR || t->rank < 0 || a->kind != MQ_TYPE_TENSOR)
        return true;
    if (a->rank + lead != t->rank)
        return false;
    for (int i = 0; i < a->rank; i++) {
        const mq_dim want = t->dims[lead && i >= batch_axis ? i + 1 : i];

        if (mq_dim_known(want) && want.value != a->dims[i])
            return false;
    }
    return true;
}

/* The axis that a row lacks. */
static int batch_axis(const mq_feed *f)
{
    return f->mode == MQ_FEED_STACK ? 0 : f->mode == MQ_FEED_STATE ? 1 : -1;
}

static mq_status check_row(const mq_dataset *ds, size_t input, const mq_feed *f, const mq_array *a, mq_error *err)
{
    const mq_type *t = mq_port_type(ds->inputs[input]);
    char have[200], want[200];

    if (row_fits(t, a, batch_axis(f)))
        return MQ_OK;
    mq_array_text(a, have, sizeof have);
    mq_type_text(t, want, sizeof want);
    return mq_fail(err, MQ_ERR_INPUT, "input '%s' is %s, the sample has %s%s", ds->inputs[input]->name, want, have,
                   batch_axis(f) >= 0 ? " without the batch axis" : "");
}

/* Samples come in order: what lies before this row of a mapped file will not be read again in this round. */
static void give_back(mq_feed *f, const mq_column *c, const mq_array *row)
{
    const size_t at = c->array ? (size_t)((char *)row->data - (char *)c->array->data) : 0;

    if (!c->dense || at < f->given_back || at - f->given_back < GIVE_BACK)
        return;
    mq_block_done_with(c->array->block, (char *)c->array->data + f->given_back, at - f->given_back);
    f->given_back = at;
}

/* [a, b, c] as [b, a, c]. */
static mq_status swap_axes(mq_array **out, const mq_array *in, mq_error *err)
{
    const int64_t dims[3] = { in->dims[1], in->dims[0], in->dims[2] };
    const size_t size = in->count ? mq_array_bytes(in) / (size_t)(dims[0] * dims[1]) : 0; /* of [c] */
    mq_status rc = mq_array_create(out, in->dtype, 3, dims, err);

    for (int64_t i = 0; rc == MQ_OK && i < dims[0] && size; i++)
        for (int64_t k = 0; k < dims[1]; k++)
            memcpy((char *)(*out)->data + (size_t)(i * dims[1] + k) * size,
                   (const char *)in->data + (size_t)(k * dims[0] + i) * size, size);
    return rc;
}

/* [layers, units] of one sample out of [layers, samples, units]. */
static mq_status state_row(mq_table *t, size_t column, uint64_t row, mq_array **out, mq_error *err)
{
    mq_array *all = NULL;
    mq_status rc = mq_table_whole(t, column, &all, err);
    int64_t dims[2];
    size_t size;

    if (rc != MQ_OK)
        return rc;
    dims[0] = all->dims[0];
    dims[1] = all->dims[2];
    if ((rc = mq_array_create(out, all->dtype, 2, dims, err)) != MQ_OK)
        return rc;
    size = dims[0] ? mq_array_bytes(*out) / (size_t)dims[0] : 0;
    for (int64_t i = 0; i < dims[0] && size; i++)
        memcpy((char *)(*out)->data + (size_t)i * size,
               (const char *)all->data + ((size_t)i * (size_t)all->dims[1] + row) * size, size);
    return MQ_OK;
}

static mq_status read_input(mq_dataset *ds, mq_slot *slot, size_t i, mq_error *err)
{
    mq_part *s = ds->grouped[i] ? mq_part_of(ds, (int)i, slot->number) : slot->source;
    mq_array *row = NULL;
    mq_status rc;

    if (!s || s->in[i].column < 0 || s->in[i].mode == MQ_FEED_WHOLE)
        return MQ_OK;
    MQ_TRY((s->in[i].mode == MQ_FEED_STATE ? state_row : mq_table_row)(s->table, (size_t)s->in[i].column,
                                                                     slot->number - s->first, &row, err));
    if (s->in[i].mode != MQ_FEED_STATE)
        give_back(&s->in[i], &s->table->columns[s->in[i].column], row);
    MQ_TRY(adapt(ds, i, &s->table->columns[s->in[i].column], row, &slot->in[i], err));
    rc = check_row(ds, i, &s->in[i], slot->in[i], err);
done:
    return rc;
}

static mq_status read_label(mq_dataset *ds, mq_slot *slot, mq_error *err)
{
    for (int group = -1; group < (int)ds->n_inputs; group++) {
        mq_part *s = mq_part_of(ds, group, slot->number);

        if (s && s->label_column >= 0)
            return mq_table_row(s->labels ? s->labels : s->table, (size_t)s->label_column, slot->number - s->first,
                                &slot->label, err);
    }
    return MQ_OK;
}

static mq_status read_wants(mq_dataset *ds, mq_slot *slot, mq_error *err)
{
    mq_part *s = slot->source;
    mq_status rc = MQ_OK;

    for (size_t i = 0; s && i < ds->n_outputs && rc == MQ_OK; i++)
        if (s->want[i].column >= 0 && s->want[i].mode != MQ_FEED_WHOLE)
            rc = mq_table_row(s->table, (size_t)s->want[i].column, slot->number - s->first, &slot->want[i], err);
    return rc;
}

/* Counts NaN and infinity; where the first of them was. Where they are refused, a sample that holds some can be left out
 * as a bad one; else the first ends it all, but only after the others are counted too (refuse_nonfinite). */
static mq_status look_for_nonfinite(mq_dataset *ds, const mq_slot *slot, mq_error *err)
{
    char where[400];

    for (size_t i = 0; i < ds->n_inputs; i++) {
        double min, max;

        if (!slot->in[i] || !mq_dtype_is_float(slot->in[i]->dtype) || !mq_array_range(slot->in[i], &min, &max))
            continue;
        mq_dataset_sample_text(ds, slot->number, where, sizeof where);
        if (ds->opts.refuse_nonfinite && ds->opts.skip_bad)
            return mq_fail(err, MQ_ERR_INPUT, "input '%s' holds NaN or infinity (--allow-nonfinite)", ds->inputs[i]->name);
        if (!ds->counts.nonfinite++)
            snprintf(ds->counts.first_nonfinite, sizeof ds->counts.first_nonfinite, "input '%.100s': %s",
                     ds->inputs[i]->name, where);
        return MQ_OK;
    }
    return MQ_OK;
}

static mq_status read_sample(mq_dataset *ds, mq_slot *slot, uint64_t number, mq_error *err)
{
    char where[400];
    mq_status rc = MQ_OK;

    clear_slot(ds, slot);
    slot->number = number;
    slot->source = mq_part_of(ds, -1, number);
    for (size_t i = 0; i < ds->n_inputs && rc == MQ_OK; i++)
        rc = read_input(ds, slot, i, err);
    if (rc == MQ_OK)
        rc = read_wants(ds, slot, err);
    if (rc == MQ_OK)
        rc = read_label(ds, slot, err);
    if (rc == MQ_OK)
        rc = look_for_nonfinite(ds, slot, err);
    if (rc == MQ_ERR_INPUT) {
        mq_dataset_sample_text(ds, number, where, sizeof where);
        if (strncmp(err->text, where, strlen(where)) != 0)
            mq_error_prefix(err, "%s", where);
    }
    return rc;
}

/* ---- several samples ------------------------------------------------------------------------------------------------- */

/* The number of the k-th sample given, evenly spread; with state to be carried they are taken one after the other. */
uint64_t mq_dataset_number(const mq_dataset *ds, uint64_t k)
{
    if (ds->has_carry || ds->n_samples == ds->n_total)
        return k;
    return (uint64_t)((unsigned __int128)k * ds->n_total / ds->n_samples);
}

static bool same_shape(const mq_array *a, const mq_array *b)
{
    if (!a || !b)
        return a == b;
    return a->kind == b->kind && a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

static bool can_join(const mq_dataset *ds, const mq_slot *a, const mq_slot *b)
{
    if (a->source != b->source)
        return false;
    for (size_t i = 0; i < ds->n_inputs; i++)
        if (!same_shape(a->in[i], b->in[i]))
            return false;
    for (size_t i = 0; i < ds->n_outputs; i++)
        if (!same_shape(a->want[i], b->want[i]))
            return false;
    return same_shape(a->label, b->label);
}

static void swap_slots(mq_slot *a, mq_slot *b)
{
    const mq_slot c = *a;

    *a = *b;
    *b = c;
}

/* Must a run end here, so that the parts of the data have the same runs as the whole? */
static bool at_boundary(const mq_dataset *ds)
{
    return ds->opts.n_shards && ds->batch && ds->at % ds->batch == 0;
}

/* The sample just taken has NaN or infinity: how many of those after it do? What else is wrong with them matters to
 * nobody any more. */
static mq_status refuse_nonfinite(mq_dataset *ds, mq_slot *slot, mq_error *err)
{
    mq_status rc;

    for (; ds->at < ds->end; ds->at++) {
        mq_error why = { 0 };

        if ((rc = mq_check_cancelled(ds->hooks, err)) != MQ_OK)
            return rc;
        rc = read_sample(ds, slot, mq_dataset_number(ds, ds->at), &why);
        if (rc != MQ_OK && rc != MQ_ERR_INPUT)
            return mq_fail(err, rc, "%s", why.text);
    }
    return mq_fail(err, MQ_ERR_INPUT, "%llu of %llu samples have NaN or infinity (--allow-nonfinite); the first is %s",
                   (unsigned long long)ds->counts.nonfinite, (unsigned long long)(ds->end - ds->begin),
                   ds->counts.first_nonfinite);
}

/* Fills slots until the batch is full, the file ends, or a sample has another shape (which then waits). */
static mq_status fill_slots(mq_dataset *ds, size_t *n, mq_error *err)
{
    mq_status rc;

    *n = ds->n_ready;
    ds->n_ready = 0;
    while (*n < ds->n_slots && ds->at < ds->end && !(*n && at_boundary(ds))) {
        mq_slot *slot = &ds->slots[*n];
        mq_error why = { 0 }; /* err stays untouched when the sample is left out */

        if ((rc = mq_check_cancelled(ds->hooks, err)) != MQ_OK)
            return rc;
        rc = read_sample(ds, slot, mq_dataset_number(ds, ds->at), &why);
        if (rc == MQ_ERR_INPUT && ds->opts.skip_bad) {
            char where[400];

            mq_dataset_sample_text(ds, slot->number, where, sizeof where);
            mq_warn(ds->hooks, "bad-sample", where, "%s: left out", why.text);
            ds->counts.skipped++;
            ds->at++;
            continue;
        }
        if (rc != MQ_OK)
            return mq_fail(err, rc, "%s%s", why.text,
                           rc == MQ_ERR_INPUT && ds->end - ds->begin > 1 ? " (--skip-bad leaves it out)" : "");
        ds->at++;
        if (ds->opts.refuse_nonfinite && ds->counts.nonfinite)
            return refuse_nonfinite(ds, slot, err);
        if (*n > 0 && !can_join(ds, &ds->slots[0], slot)) {
            ds->n_ready = 1;
            return MQ_OK;
        }
        ++*n;
    }
    return MQ_OK;
}

/* ---- a run ----------------------------------------------------------------------------------------------------------- */

/* Arrays of the first n slots along the batch axis, of which `rows` are made; at(slot) says which array. */
static mq_status stack_slots(mq_dataset *ds, size_t n, size_t rows, mq_array **(*at)(mq_slot *, size_t), size_t index,
                             mq_array **out, mq_error *err)
{
    mq_array *few[64] = { 0 }, **list = n <= 64 ? few : malloc(n * sizeof *list);
    mq_status rc;

    if (!list)
        return mq_oom(err);
    for (size_t i = 0; i < n; i++)
        list[i] = *at(&ds->slots[i], index);
    rc = mq_array_stack(out, list, n, rows, err);
    if (list != few)
        free(list);
    return rc;
}

static mq_array **slot_in(mq_slot *s, size_t i)
{
    return &s->in[i];
}

static mq_array **slot_want(mq_slot *s, size_t i)
{
    return &s->want[i];
}

static mq_array **slot_label(mq_slot *s, size_t i)
{
    (void)i;
    return &s->label;
}

static mq_status whole_input(mq_dataset *ds, mq_part *s, size_t i, mq_array **out, mq_error *err)
{
    mq_feed *f = &s->in[i];
    mq_array *a = NULL;
    mq_status rc = MQ_OK;

    if (!f->whole) {
        MQ_TRY(mq_table_whole(s->table, (size_t)f->column, &a, err));
        MQ_TRY(adapt(ds, i, &s->table->columns[f->column], mq_array_ref(a), &f->whole, err));
    }
    *out = mq_array_ref(f->whole);
done:
    return rc;
}

/* Samples' states [layers, units] as [layers, rows, units]. */
static mq_status stack_states(mq_dataset *ds, size_t n, size_t rows, size_t index, mq_array **out, mq_error *err)
{
    mq_array *a = NULL;
    mq_status rc = stack_slots(ds, n, rows, slot_in, index, &a, err);

    if (rc == MQ_OK)
        rc = swap_axes(out, a, err);
    mq_array_unref(a);
    return rc;
}

/* What the data give. */
static mq_status give_data(mq_dataset *ds, size_t n, size_t rows, mq_error *err)
{
    const mq_slot *first = &ds->slots[0];
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < ds->n_inputs && rc == MQ_OK; i++) {
        mq_part *s = ds->grouped[i] ? mq_part_of(ds, (int)i, first->number) : first->source;

        if (!s || s->in[i].column < 0)
            continue;
        if (s->in[i].mode == MQ_FEED_WHOLE)
            rc = whole_input(ds, s, i, &ds->call_in[i], err);
        else if (s->in[i].mode == MQ_FEED_SINGLE)
            ds->call_in[i] = mq_array_ref(first->in[i]);
        else if (s->in[i].mode == MQ_FEED_STATE)
            rc = stack_states(ds, n, rows, i, &ds->call_in[i], err);
        else
            rc = stack_slots(ds, n, rows, slot_in, i, &ds->call_in[i], err);
    }
    for (size_t i = 0; i < ds->n_outputs && rc == MQ_OK; i++) {
        mq_part *s = first->source;
        mq_array *a = NULL;

        if (!s || s->want[i].column < 0)
            continue;
        if (s->want[i].mode == MQ_FEED_WHOLE) {
            rc = mq_table_whole(s->table, (size_t)s->want[i].column, &a, err);
            ds->call_want[i] = rc == MQ_OK ? mq_array_ref(a) : NULL;
        } else if (s->want[i].mode == MQ_FEED_SINGLE) {
            ds->call_want[i] = mq_array_ref(first->want[i]);
        } else {
            rc = stack_slots(ds, n, n, slot_want, i, &ds->call_want[i], err);
        }
    }
    if (rc == MQ_OK && first->label)
        rc = stack_slots(ds, n, n, slot_label, 0, &ds->call.labels, err);
    return rc;
}

static const mq_fill zeros = { .kind = MQ_FILL_ZEROS };

/* How an input that no array gives is made; NULL: not at all. */
static const mq_fill *fill_of(const mq_dataset *ds, size_t i, mq_fill *random)
{
    const mq_part *s = mq_part_of(ds, ds->grouped[i] ? (int)i : -1, ds->slots[0].number);

    if (ds->carry[i] >= 0)
        return &zeros;
    if (ds->fills[i] && !ds->grouped[i])
        return ds->fills[i];
    if (!s || !s->table->generated || !mq_port_required(ds->inputs[i]))
        return NULL;
    *random = (mq_fill){ .kind = MQ_FILL_RANDOM, .dist = s->spec.dist };
    return random;
}

/* What is left: state, fills, random. Empty ones first: their sizes decide those of others ("past + seq"). */
static mq_status give_filled(mq_dataset *ds, mq_error *err)
{
    mq_fill_run *run = &ds->run;
    mq_status rc = MQ_OK;

    run->sizes.list.n = 0;
    run->rows = ds->call.rows;
    run->samples = ds->call_samples;
    run->n = ds->call.n;
    run->fed = ds->call_in;
    run->n_fed = ds->n_inputs;
    run->guess = ds->slots[0].source && ds->slots[0].source->table->generated;
    for (size_t i = 0; i < ds->n_inputs && rc == MQ_OK; i++)
        rc = mq_sizes_learn(&run->sizes, mq_port_type(ds->inputs[i]), ds->call_in[i], err);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < ds->n_inputs && rc == MQ_OK; i++) {
            mq_fill random;
            const mq_fill *f = ds->call_in[i] ? NULL : fill_of(ds, i, &random);

            if (!f || (f->kind == MQ_FILL_EMPTY) != (pass == 0))
                continue;
            run->is_state = ds->carry[i] >= 0;
            if (ds->carry[i] >= 0 && ds->carried[i] && !ds->call.restart)
                ds->call_in[i] = mq_array_ref(ds->carried[i]);
            else
                rc = mq_fill_make(&ds->call_in[i], run, i, ds->inputs[i], f, err);
        }
    return rc;
}

static void take_looks(mq_dataset *ds)
{
    for (size_t i = 0; i < ds->n_inputs; i++) {
        mq_input_look *l = &ds->looks[i];

        if (l->seen || !ds->call_in[i])
            continue;
        l->seen = true;
        mq_array_range(ds->call_in[i], &l->min, &l->max);
        mq_array_text(ds->call_in[i], l->text, sizeof l->text);
    }
}

mq_status mq_dataset_next(mq_dataset *ds, const mq_data_call **call, mq_error *err)
{
    size_t n = 0;
    mq_status rc;

    mq_dataset_drop_call(ds);
    if ((rc = fill_slots(ds, &n, err)) != MQ_OK)
        return rc;
    if (!n) {
        if (ds->counts.skipped && !ds->counts.samples && ds->opts.n_shards <= 1)
            return mq_fail(err, MQ_ERR_INPUT, "none of the %llu samples can be read",
                           (unsigned long long)ds->counts.skipped);
        *call = NULL;
        return MQ_OK;
    }
    ds->call.n = n;
    ds->call.rows = ds->fixed ? ds->batch : ds->batch ? n : 0;
    ds->call.restart = !ds->counts.samples || ds->slots[0].source != ds->current;
    ds->current = ds->slots[0].source;
    for (size_t i = 0; i < n; i++)
        ds->call_samples[i] = ds->slots[i].number;
    MQ_TRY(give_data(ds, n, ds->call.rows, err));
    MQ_TRY(give_filled(ds, err));
    take_looks(ds);
    ds->counts.samples += n;
    for (size_t i = 0; i < n; i++)
        clear_slot(ds, &ds->slots[i]);
    if (ds->n_ready)
        swap_slots(&ds->slots[0], &ds->slots[n]);
    *call = &ds->call;
done:
    return rc;
}

/* Does a group feed the input row by row? */
static bool feeds_rows(const mq_dataset *ds, size_t input)
{
    const int group = ds->grouped[input] ? (int)input : -1;
    bool any = false;

    for (size_t i = 0; i < ds->n_sources; i++) {
        const mq_part *s = &ds->sources[i];

        if (s->spec.input != group)
            continue;
        if (s->in[input].column < 0 || s->in[input].mode != MQ_FEED_STACK || s->table->generated)
            return false;
        any = true;
    }
    return any;
}

bool mq_dataset_by_sample(const mq_dataset *ds)
{
    for (size_t i = 0; i < ds->n_inputs; i++)
        if (!feeds_rows(ds, i))
            return false;
    return !ds->has_carry && ds->batch;
}

mq_status mq_dataset_sample(mq_dataset *ds, uint64_t number, mq_array **in, mq_error *err)
{
    mq_slot slot = { .number = number, .source = mq_part_of(ds, -1, number), .in = in };
    char where[400];
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < ds->n_inputs; i++)
        in[i] = NULL;
    for (size_t i = 0; i < ds->n_inputs && rc == MQ_OK; i++) {
        rc = read_input(ds, &slot, i, err);
        if (rc == MQ_OK && !in[i])
            rc = mq_fail(err, MQ_ERR_INPUT, "nothing feeds input '%s'", ds->inputs[i]->name);
    }
    for (size_t i = 0; i < ds->n_inputs && rc != MQ_OK; i++) {
        mq_array_unref(in[i]);
        in[i] = NULL;
    }
    if (rc == MQ_ERR_INPUT) {
        mq_dataset_sample_text(ds, number, where, sizeof where);
        mq_error_prefix(err, "%s", where);
    }
    return rc;
}

mq_status mq_dataset_carry(mq_dataset *ds, mq_array *const *outputs, mq_error *err)
{
    for (size_t i = 0; i < ds->n_inputs; i++) {
        mq_array *a = ds->carry[i] >= 0 ? outputs[ds->carry[i]] : NULL;

        if (ds->carry[i] < 0)
            continue;
        if (!a || !row_fits(mq_port_type(ds->inputs[i]), a, -1) ||
            (wanted_type(ds->inputs[i]) && wanted_type(ds->inputs[i]) != a->dtype)) {
            char have[200] = "nothing";

            if (a)
                mq_array_text(a, have, sizeof have);
            return mq_fail(err, MQ_ERR_USAGE, "--carry: output '%s' is %s, which input '%s' does not take",
                           ds->outputs[ds->carry[i]]->name, have, ds->inputs[i]->name);
        }
        mq_array_unref(ds->carried[i]);
        ds->carried[i] = mq_array_ref(a);
    }
    return MQ_OK;
}
