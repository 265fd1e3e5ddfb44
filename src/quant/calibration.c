/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Calibrations in memory: finding tensors, joining parts, writing the file. Reading it is calibration_load.c. */
#include "quant/calibration.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

static void free_tensor(mq_calibrated *t)
{
    mq_observer_release(&t->observer);
    free(t->name);
    free(t);
}

void mq_calibration_release(mq_calibration *c)
{
    for (size_t i = 0; i < c->tensors.n; i++)
        free_tensor(c->tensors.items[i]);
    mq_vec_release(&c->tensors);
    mq_map_release(&c->by_name);
    mq_channel_table_release(&c->channels);
    free(c->model);
    free(c->prepared);
    free(c->preprocess);
    free(c->data);
    free(c->sampling);
    *c = (mq_calibration){ 0 };
}

mq_calibrated *mq_calibration_find(const mq_calibration *c, const char *name)
{
    return mq_map_get(&c->by_name, name);
}

mq_status mq_calibration_add(mq_calibration *c, const char *name, mq_calibrated **out, mq_error *err)
{
    mq_calibrated *t;

    if (mq_calibration_find(c, name))
        return mq_fail(err, MQ_ERR_INPUT, "tensor '%s' is calibrated twice", name);
    t = calloc(1, sizeof *t);
    if (!t || !(t->name = strdup(name)) || !mq_vec_push(&c->tensors, t)) {
        if (t)
            free_tensor(t);
        return mq_oom(err);
    }
    if (!mq_map_put(&c->by_name, t->name, t)) {
        c->tensors.n--;
        free_tensor(t);
        return mq_oom(err);
    }
    *out = t;
    return MQ_OK;
}

/* ---- joining ------------------------------------------------------------------------------------------------------- */

static int last_of(const mq_calibration *c)
{
    return c->last_shard > c->shard ? c->last_shard : c->shard;
}

/* "2/4", "1-3/4" */
static void shard_text(const mq_calibration *c, char out[40])
{
    if (last_of(c) > c->shard)
        snprintf(out, 40, "%d-%d/%d", c->shard, last_of(c), c->n_shards);
    else
        snprintf(out, 40, "%d/%d", c->shard, c->n_shards);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Whether a list "x+y" and another have a part in common. */
static bool share_part(const char *list, const char *other)
{
    for (const char *a = list, *a_end; *a; a = a_end + (*a_end == '+')) {
        a_end = a + strcspn(a, "+");
        for (const char *b = other, *b_end; *b; b = b_end + (*b_end == '+')) {
            b_end = b + strcspn(b, "+");
            if (a_end - a == b_end - b && strncmp(a, b, (size_t)(a_end - a)) == 0)
                return true;
        }
    }
    return false;
}

/* Parts of the same data follow one another; calibrations of whole data are of different data. */
static mq_status check_shards(const mq_calibration *c, const mq_calibration *more, mq_error *err)
{
    char ours[40], theirs[40];

    shard_text(c, ours);
    shard_text(more, theirs);
    if (c->n_shards != more->n_shards)
        return mq_fail(err, MQ_ERR_INPUT, "shards %s and %s are not of one division of the data", ours, theirs);
    if (c->n_shards == 1) {
        if (c->data && more->data && share_part(c->data, more->data))
            return mq_fail(err, MQ_ERR_INPUT, "the same data are in it twice (%s)", more->data);
        return MQ_OK;
    }
    if (!same_text(c->data, more->data))
        return mq_fail(err, MQ_ERR_INPUT, "shards %s and %s are of different data (%s and %s)", ours, theirs,
                       c->data ? c->data : "not said", more->data ? more->data : "not said");
    if (!same_text(c->sampling, more->sampling))
        return mq_fail(err, MQ_ERR_INPUT, "shards %s and %s are of different samples ('%s' and '%s')", ours, theirs,
                       c->sampling ? c->sampling : "", more->sampling ? more->sampling : "");
    if (more->shard <= last_of(c))
        return mq_fail(err, MQ_ERR_INPUT, "shards %s and %s overlap: one is given twice", ours, theirs);
    if (more->shard > last_of(c) + 1)
        return mq_fail(err, MQ_ERR_INPUT, "shard %d/%d is missing", last_of(c) + 1, c->n_shards);
    return MQ_OK;
}

static mq_status check_tensors(const mq_calibration *c, const mq_calibration *more, mq_error *err)
{
    for (size_t i = 0; i < more->tensors.n; i++) {
        const mq_calibrated *t = more->tensors.items[i], *same = mq_calibration_find(c, t->name);
        if (!same)
            return mq_fail(err, MQ_ERR_INPUT, "the tensors differ: '%s' is in one part only", t->name);
        if (t->has_range && same->has_range && (t->lo != same->lo || t->hi != same->hi))
            return mq_fail(err, MQ_ERR_INPUT, "'%s' has the range %.9g..%.9g in one part, %.9g..%.9g in another", t->name,
                           (double)same->lo, (double)same->hi, (double)t->lo, (double)t->hi);
    }
    for (size_t i = 0; i < c->tensors.n && c->tensors.n != more->tensors.n; i++)
        if (!mq_calibration_find(more, c->tensors.items[i]->name))
            return mq_fail(err, MQ_ERR_INPUT, "the tensors differ: '%s' is in one part only", c->tensors.items[i]->name);
    return MQ_OK;
}

/* Parts saw the same channels; wholes of different data each their own. */
static mq_status check_channels(const mq_calibration *c, const mq_calibration *more, mq_error *err)
{
    if (c->has_channels != more->has_channels)
        return mq_fail(err, MQ_ERR_INPUT, "channels are in one part only: give --effort alike to all parts");
    if (c->n_shards > 1 && !mq_channel_table_equal(&c->channels, &more->channels))
        return mq_fail(err, MQ_ERR_INPUT, "the parts saw other channels: give --isa where they are made on different CPUs");
    return MQ_OK;
}

static mq_status check_same(const mq_calibration *c, const mq_calibration *more, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (!same_text(c->model, more->model))
        return mq_fail(err, MQ_ERR_INPUT, "the parts are of different models (%s and %s)",
                       c->model ? c->model : "not said", more->model ? more->model : "not said");
    if (!same_text(c->prepared, more->prepared))
        return mq_fail(err, MQ_ERR_INPUT, "the model was not prepared alike ('%s' and '%s')%s",
                       c->prepared ? c->prepared : "", more->prepared ? more->prepared : "",
                       c->n_shards == 1 ? "; calibrations of different data go together with --smooth none" : "");
    if (!same_text(c->preprocess, more->preprocess))
        return mq_fail(err, MQ_ERR_INPUT, "the parts have different preprocessing ('%s' and '%s')",
                       c->preprocess ? c->preprocess : "", more->preprocess ? more->preprocess : "");
    MQ_TRY(check_shards(c, more, err));
    MQ_TRY(check_channels(c, more, err));
    rc = check_tensors(c, more, err);
done:
    return rc;
}

static mq_status copy_text(char **to, const char *from, mq_error *err)
{
    return !from || (*to = strdup(from)) ? MQ_OK : mq_oom(err);
}

/* What c is called before anything is added to it. */
static mq_status begin(mq_calibration *c, const mq_calibration *more, mq_error *err)
{
    mq_calibrated *t;
    mq_status rc = MQ_OK;

    MQ_TRY(copy_text(&c->model, more->model, err));
    MQ_TRY(copy_text(&c->prepared, more->prepared, err));
    MQ_TRY(copy_text(&c->preprocess, more->preprocess, err));
    MQ_TRY(copy_text(&c->data, more->data, err));
    MQ_TRY(copy_text(&c->sampling, more->sampling, err));
    for (size_t i = 0; i < more->tensors.n; i++)
        MQ_TRY(mq_calibration_add(c, more->tensors.items[i]->name, &t, err));
    MQ_TRY(mq_channel_table_copy(&c->channels, &more->channels, err));
    c->has_channels = more->has_channels;
    c->shard = more->shard;
    c->n_shards = more->n_shards;
done:
    return rc;
}

static mq_status join_text(char **text, const char *between, const char *more, mq_error *err)
{
    mq_str joined = { 0 };

    if (!*text || !more)
        return MQ_OK;
    mq_str_addf(&joined, "%s%s%s", *text, between, more);
    if (joined.failed) {
        mq_str_release(&joined);
        return mq_oom(err);
    }
    free(*text);
    *text = joined.s;
    return MQ_OK;
}

/* Of wholes of different data, all are named. */
static mq_status join_data(mq_calibration *c, const mq_calibration *more, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (c->n_shards != 1 || !c->data || !more->data || strcmp(c->data, more->data) == 0)
        return MQ_OK;
    MQ_TRY(join_text(&c->data, "+", more->data, err));
    rc = join_text(&c->sampling, " + ", more->sampling, err);
done:
    return rc;
}

mq_status mq_calibration_merge(mq_calibration *c, const mq_calibration *more, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (c->n_shards == 0)
        MQ_TRY(begin(c, more, err));
    else {
        MQ_TRY(check_same(c, more, err));
        if (c->n_shards == 1)
            MQ_TRY(mq_channel_table_join(&c->channels, &more->channels, err));
    }
    MQ_TRY(join_data(c, more, err));
    for (size_t i = 0; i < more->tensors.n; i++) {
        const mq_calibrated *from = more->tensors.items[i];
        mq_calibrated *to = mq_calibration_find(c, from->name);
        if ((rc = mq_observer_merge(&to->observer, &from->observer, err)) != MQ_OK) {
            mq_error_prefix(err, "tensor '%s'", from->name);
            goto done;
        }
        if (from->has_range) {
            to->has_range = true;
            to->lo = from->lo;
            to->hi = from->hi;
        }
    }
    c->samples += more->samples;
    c->last_shard = last_of(more);
    if (c->shard == 1 && c->last_shard == c->n_shards) { /* the whole, as if it had never been in parts */
        c->n_shards = 1;
        c->last_shard = 0;
    }
done:
    return rc;
}

mq_status mq_calibration_check_whole(const mq_calibration *c, mq_error *err)
{
    char have[40];

    shard_text(c, have);
    if (c->shard != 1)
        return mq_fail(err, MQ_ERR_INPUT, "of the shards only %s is given: 1/%d is missing", have, c->n_shards);
    if (last_of(c) != c->n_shards)
        return mq_fail(err, MQ_ERR_INPUT, "of the shards only %s is given: %d/%d is missing", have, last_of(c) + 1,
                       c->n_shards);
    return MQ_OK;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

static int append(const char *text, size_t n, void *out)
{
    mq_str_add_n(out, text, n);
    return 0;
}

/* A JSON string; what it is goes into the sentence when it is not UTF-8. */
static mq_status add_text(mq_str *s, const char *what, const char *text, mq_error *err)
{
    json_t *value;
    bool no_memory;

    errno = 0;
    value = json_string(text);
    no_memory = value ? json_dump_callback(value, append, s, JSON_ENCODE_ANY) != 0 : errno == ENOMEM;
    if (no_memory || value) {
        json_decref(value);
        return no_memory ? mq_oom(err) : MQ_OK;
    }
    return mq_fail(err, MQ_ERR_INPUT, "%s '%s' is not UTF-8, as JSON wants it", what, text);
}

/* As few digits as read back the same. */
static void add_float(mq_str *s, float f)
{
    char text[32];

    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)f);
        if (strtof(text, NULL) == f)
            break;
    }
    mq_str_add(s, text);
}

static void add_pair(mq_str *s, float a, float b)
{
    mq_str_add(s, "[");
    add_float(s, a);
    mq_str_add(s, ", ");
    add_float(s, b);
    mq_str_add(s, "]");
}

static void add_double(mq_str *s, double d)
{
    char text[32];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    mq_str_add(s, text);
}

static void add_bins(mq_str *s, const mq_observer *o)
{
    enum { SHORT = 4 }; /* runs from here on are shorter as a pair */

    for (size_t k = 0, n; k < o->n_bins; k += n) {
        const unsigned long long count = o->counts[k];
        for (n = 1; k + n < o->n_bins && o->counts[k + n] == o->counts[k];)
            n++;
        if (k)
            mq_str_add(s, ", ");
        if (n >= SHORT)
            mq_str_addf(s, "[%llu, %zu]", count, n);
        for (size_t i = 0; n < SHORT && i < n; i++)
            mq_str_addf(s, i ? ", %llu" : "%llu", count);
    }
}

static void add_observer(mq_str *s, const mq_observer *o)
{
    if (o->n) {
        mq_str_add(s, "\"min\": ");
        add_float(s, o->min);
        mq_str_add(s, ", \"max\": ");
        add_float(s, o->max);
        mq_str_add(s, ", ");
    }
    mq_str_addf(s, "\"count\": %llu, \"zeros\": %llu", (unsigned long long)o->n, (unsigned long long)o->n_zero);
    if (o->n_nan || o->n_inf)
        mq_str_addf(s, ", \"nan\": %llu, \"inf\": %llu", (unsigned long long)o->n_nan, (unsigned long long)o->n_inf);
    if (!o->n)
        return;
    mq_str_addf(s, ",\n      \"exponent\": %d, \"first\": %lld, \"bins\": [", o->exponent, (long long)o->first);
    add_bins(s, o);
    mq_str_add(s, "],\n      \"runs\": [");
    for (size_t i = 0; i < o->n_window; i++) {
        const float *run = o->window[(o->start + i) % MQ_OBSERVER_WINDOW];
        mq_str_add(s, i ? ", " : "");
        add_pair(s, run[0], run[1]);
    }
    mq_str_add(s, "]");
}

static mq_status add_tensor(mq_str *s, const mq_calibrated *t, mq_error *err)
{
    mq_status rc = MQ_OK;

    mq_str_add(s, "    ");
    MQ_TRY(add_text(s, "the tensor's name", t->name, err));
    mq_str_add(s, ": {");
    if (t->has_range) {
        mq_str_add(s, "\"range\": ");
        add_pair(s, t->lo, t->hi);
        mq_str_add(s, ", ");
    }
    add_observer(s, &t->observer);
    mq_str_add(s, "}");
done:
    return rc;
}

static void add_floats(mq_str *s, const char *key, const float *values, size_t n)
{
    mq_str_addf(s, ",\n     \"%s\": [", key);
    for (size_t i = 0; i < n; i++) {
        mq_str_add(s, i ? ", " : "");
        add_float(s, values[i]);
    }
    mq_str_add(s, "]");
}

static void add_doubles(mq_str *s, const char *key, const double *values, size_t n)
{
    mq_str_addf(s, ",\n     \"%s\": [", key);
    for (size_t i = 0; i < n; i++) {
        mq_str_add(s, i ? ", " : "");
        add_double(s, values[i]);
    }
    mq_str_add(s, "]");
}

static mq_status add_channels(mq_str *s, const mq_channels *c, mq_error *err)
{
    mq_status rc = MQ_OK;

    mq_str_add(s, "    {\"tensor\": ");
    MQ_TRY(add_text(s, "the tensor's name", c->name, err));
    mq_str_addf(s, ", \"axis\": %d, \"count\": %llu", c->axis, (unsigned long long)c->count);
    if (c->n) {
        add_floats(s, "low", c->low, c->n);
        add_floats(s, "high", c->high, c->n);
        add_doubles(s, "sum", c->sum, c->n);
        add_doubles(s, "square", c->square, c->n);
    }
    mq_str_add(s, "}");
done:
    return rc;
}

static mq_status add_member(mq_str *s, const char *key, const char *text, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (!text)
        return MQ_OK;
    mq_str_addf(s, "  \"%s\": ", key);
    MQ_TRY(add_text(s, key, text, err));
    mq_str_add(s, ",\n");
done:
    return rc;
}

static mq_status add_head(mq_str *s, const mq_calibration *c, mq_error *err)
{
    char shard[40];
    mq_status rc = MQ_OK;

    shard_text(c, shard);
    mq_str_add(s, "{\n  \"format\": \"mq-calibration\",\n  \"version\": 1,\n");
    MQ_TRY(add_member(s, "mq", MQ_VERSION, err));
    MQ_TRY(add_member(s, "model", c->model, err));
    MQ_TRY(add_member(s, "prepared", c->prepared, err));
    MQ_TRY(add_member(s, "preprocess", c->preprocess, err));
    MQ_TRY(add_member(s, "data", c->data, err));
    MQ_TRY(add_member(s, "sampling", c->sampling, err));
    mq_str_addf(s, "  \"samples\": %llu,\n  \"shard\": \"%s\",\n", (unsigned long long)c->samples, shard);
done:
    return rc;
}

/* Writes s out and empties it. */
static mq_status flush(mq_outfile *f, mq_str *s, mq_error *err)
{
    mq_status rc = s->failed ? mq_oom(err) : mq_outfile_write(f, s->s, s->n, err);

    s->n = 0;
    return rc;
}

mq_status mq_calibration_save(const mq_calibration *c, const char *path, bool sync, mq_error *err)
{
    mq_outfile *f = NULL;
    mq_str s = { 0 };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_outfile_open(&f, path, true, err));
    MQ_TRY(add_head(&s, c, err));
    mq_str_add(&s, c->has_channels ? "  \"channels\": [\n" : "");
    for (size_t i = 0; i < c->channels.items.n; i++) {
        MQ_TRY(add_channels(&s, c->channels.items.items[i], err));
        mq_str_add(&s, i + 1 < c->channels.items.n ? ",\n" : "\n");
        MQ_TRY(flush(f, &s, err));
    }
    mq_str_add(&s, c->has_channels ? "  ],\n" : "");
    mq_str_add(&s, "  \"tensors\": {\n");
    for (size_t i = 0; i < c->tensors.n; i++) {
        MQ_TRY(add_tensor(&s, c->tensors.items[i], err));
        mq_str_add(&s, i + 1 < c->tensors.n ? ",\n" : "\n");
        MQ_TRY(flush(f, &s, err));
    }
    mq_str_add(&s, "  }\n}\n");
    MQ_TRY(flush(f, &s, err));
    rc = mq_outfile_commit(f, sync, err);
    f = NULL;
done:
    mq_outfile_abort(f);
    mq_str_release(&s);
    return rc;
}
