/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reads a calibration's file, which people may have edited: each thing that is wrong has a sentence with its place. What it
 * all means is in calibration.h. */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/json_file.h"
#include "quant/calibration.h"

struct reader {
    const char *path, *tensor; /* tensor NULL: outside of them */
    mq_error *err;
};

static mq_status refuse(const struct reader *r, const char *key, const char *wants)
{
    if (r->tensor)
        return mq_fail(r->err, MQ_ERR_INPUT, "%s: tensor '%s': \"%s\" is %s", r->path, r->tensor, key, wants);
    return mq_fail(r->err, MQ_ERR_INPUT, "%s: \"%s\" is %s", r->path, key, wants);
}

/* Each key is one of a list of NULL-ended names. */
static mq_status check_keys(const struct reader *r, json_t *object, const char *const *names)
{
    const char *key;
    json_t *value;
    size_t i;

    json_object_foreach(object, key, value) {
        for (i = 0; names[i] && strcmp(names[i], key) != 0;)
            i++;
        if (!names[i])
            return refuse(r, key, "no key of a calibration");
    }
    return MQ_OK;
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

/* A missing one is 0. */
static mq_status read_count(const struct reader *r, const json_t *object, const char *key, uint64_t *out)
{
    const json_t *value = json_object_get(object, key);

    if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
        return refuse(r, key, "a count: a whole number from 0 on");
    *out = value ? (uint64_t)json_integer_value(value) : 0;
    return MQ_OK;
}

static mq_status read_integer(const struct reader *r, const json_t *object, const char *key, int64_t *out)
{
    const json_t *value = json_object_get(object, key);

    if (value && !json_is_integer(value))
        return refuse(r, key, "a whole number");
    *out = value ? (int64_t)json_integer_value(value) : 0;
    return MQ_OK;
}

static bool is_float(const json_t *value, float *out)
{
    *out = (float)json_number_value(value);
    return json_is_number(value) && isfinite(*out);
}

static mq_status read_float(const struct reader *r, const json_t *object, const char *key, float *out)
{
    const json_t *value = json_object_get(object, key);

    *out = 0;
    return !value || is_float(value, out) ? MQ_OK : refuse(r, key, "a number that a float holds");
}

static bool is_pair(const json_t *value, float *lo, float *hi)
{
    return json_is_array(value) && json_array_size(value) == 2 && is_float(json_array_get(value, 0), lo) &&
           is_float(json_array_get(value, 1), hi) && *lo <= *hi;
}

static mq_status read_text(const struct reader *r, const json_t *object, const char *key, char **out)
{
    const json_t *value = json_object_get(object, key);

    if (!value)
        return MQ_OK;
    if (!json_is_string(value))
        return refuse(r, key, "a string");
    return (*out = strdup(json_string_value(value))) ? MQ_OK : mq_oom(r->err);
}

/* ---- a tensor ------------------------------------------------------------------------------------------------------ */

/* A count, or a pair of a count and how often it stands there. */
static bool is_bin(const json_t *value, int64_t *count, int64_t *times)
{
    const bool is_run = json_is_array(value) && json_array_size(value) == 2;
    const json_t *n = is_run ? json_array_get(value, 0) : value, *t = is_run ? json_array_get(value, 1) : NULL;

    *count = (int64_t)json_integer_value(n);
    *times = is_run ? (int64_t)json_integer_value(t) : 1;
    return json_is_integer(n) && *count >= 0 && *times >= 1 && *times <= MQ_OBSERVER_BINS;
}

static mq_status read_bins(const struct reader *r, const json_t *list, mq_observer *o)
{
    int64_t count, times;

    if (!list)
        return MQ_OK;
    if (!json_is_array(list))
        return refuse(r, "bins", "a list of counts");
    if (!(o->counts = calloc(MQ_OBSERVER_BINS, sizeof *o->counts)))
        return mq_oom(r->err);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!is_bin(json_array_get(list, i), &count, &times))
            return refuse(r, "bins", "a list of counts, and of pairs [count, times]");
        if (o->n_bins + (size_t)times > MQ_OBSERVER_BINS)
            return refuse(r, "bins", "too long: 4096 bins are the most");
        while (times-- > 0)
            o->counts[o->n_bins++] = (uint64_t)count;
    }
    return MQ_OK;
}

static mq_status read_runs(const struct reader *r, const json_t *list, mq_observer *o)
{
    size_t n = json_array_size(list);

    if (!list)
        return MQ_OK;
    if (!json_is_array(list) || n > MQ_OBSERVER_WINDOW)
        return refuse(r, "runs", "a list of at most 1024 ranges");
    if (!(o->window = malloc((n + 1) * sizeof *o->window)))
        return mq_oom(r->err);
    for (; o->n_window < n; o->n_window++)
        if (!is_pair(json_array_get(list, o->n_window), &o->window[o->n_window][0], &o->window[o->n_window][1]))
            return refuse(r, "runs", "a list of ranges [least, most]");
    return MQ_OK;
}

static mq_status read_observer(const struct reader *r, const json_t *object, mq_observer *out)
{
    mq_observer o = { 0 };
    int64_t exponent = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(read_float(r, object, "min", &o.min));
    MQ_TRY(read_float(r, object, "max", &o.max));
    MQ_TRY(read_count(r, object, "count", &o.n));
    MQ_TRY(read_count(r, object, "zeros", &o.n_zero));
    MQ_TRY(read_count(r, object, "nan", &o.n_nan));
    MQ_TRY(read_count(r, object, "inf", &o.n_inf));
    MQ_TRY(read_integer(r, object, "exponent", &exponent));
    MQ_TRY(read_integer(r, object, "first", &o.first));
    MQ_TRY(read_bins(r, json_object_get(object, "bins"), &o));
    MQ_TRY(read_runs(r, json_object_get(object, "runs"), &o));
    o.exponent = exponent < -1000 ? -1000 : exponent > 1000 ? 1000 : (int)exponent;
    if ((rc = mq_observer_restore(out, &o, r->err)) != MQ_OK)
        mq_error_prefix(r->err, "%s: tensor '%s'", r->path, r->tensor);
done:
    mq_observer_release(&o);
    return rc;
}

static mq_status read_tensor(struct reader *r, mq_calibration *c, const char *name, json_t *value)
{
    static const char *const keys[] = { "range", "min", "max", "count", "zeros", "nan", "inf", "exponent", "first", "bins",
                                        "runs", NULL };
    const json_t *range = json_object_get(value, "range");
    mq_calibrated *t;
    mq_status rc = MQ_OK;

    r->tensor = name;
    if (!json_is_object(value))
        return mq_fail(r->err, MQ_ERR_INPUT, "%s: tensor '%s' is no object", r->path, name);
    MQ_TRY(check_keys(r, value, keys));
    MQ_TRY(mq_calibration_add(c, name, &t, r->err));
    if (range && !is_pair(range, &t->lo, &t->hi))
        return refuse(r, "range", "a pair [lo, hi] of numbers, lo at most hi");
    t->has_range = range != NULL;
    rc = read_observer(r, value, &t->observer);
done:
    return rc;
}

/* ---- channels ------------------------------------------------------------------------------------------------------ */

static bool take_doubles(const json_t *list, double *out, size_t n)
{
    if (json_array_size(list) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, i);
        out[i] = json_number_value(value);
        if (!json_is_number(value) || !isfinite(out[i]))
            return false;
    }
    return true;
}

static bool take_floats(const json_t *list, float *out, size_t n)
{
    if (json_array_size(list) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_float(json_array_get(list, i), &out[i]))
            return false;
    return true;
}

/* Numbers that can be of one channel: 0 lies between the extremes, and no square is below 0. */
static bool makes_sense(const mq_channels *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->low[i] > 0 || c->high[i] < 0 || c->square[i] < 0)
            return false;
    return c->count > 0;
}

static mq_status read_channel_values(const struct reader *r, const json_t *object, mq_channels *c)
{
    const size_t n = json_array_size(json_object_get(object, "low"));
    mq_status rc = MQ_OK;

    if (!n)
        return MQ_OK;
    MQ_TRY(mq_channels_begin(c, n, r->err));
    if (!take_floats(json_object_get(object, "low"), c->low, n) ||
        !take_floats(json_object_get(object, "high"), c->high, n) ||
        !take_doubles(json_object_get(object, "sum"), c->sum, n) ||
        !take_doubles(json_object_get(object, "square"), c->square, n) || !makes_sense(c))
        rc = refuse(r, "low", "with high, sum and square not a number for each channel, around 0");
done:
    return rc;
}

static mq_status read_channels(struct reader *r, json_t *object, mq_calibration *c)
{
    static const char *const keys[] = { "tensor", "axis", "count", "low", "high", "sum", "square", NULL };
    const char *name = json_string_value(json_object_get(object, "tensor"));
    mq_channels *channels = NULL;
    int64_t axis = -2;
    mq_status rc = MQ_OK;

    if (!name)
        return refuse(r, "channels", "not a list of objects with a \"tensor\" each");
    r->tensor = name;
    MQ_TRY(check_keys(r, object, keys));
    MQ_TRY(read_integer(r, object, "axis", &axis));
    if (axis != 1 && axis != -1)
        return refuse(r, "axis", "neither 1 nor -1");
    if (mq_channel_table_find(&c->channels, name))
        return refuse(r, "tensor", "in \"channels\" twice");
    MQ_TRY(mq_channel_table_add_name(&c->channels, name, (int)axis, &channels, r->err));
    MQ_TRY(read_count(r, object, "count", &channels->count));
    rc = read_channel_values(r, object, channels);
done:
    return rc;
}

static mq_status read_all_channels(struct reader *r, json_t *list, mq_calibration *c)
{
    mq_status rc = MQ_OK;

    if (!list)
        return MQ_OK;
    if (!json_is_array(list))
        return refuse(r, "channels", "no list");
    for (size_t i = 0; i < json_array_size(list) && rc == MQ_OK; i++)
        rc = read_channels(r, json_array_get(list, i), c);
    r->tensor = NULL;
    c->has_channels = true;
    return rc;
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

/* A number from 1 on; *text moves behind it. */
static bool take_number(const char **text, int *out)
{
    char *end;
    long n;

    errno = 0;
    n = isdigit((unsigned char)**text) ? strtol(*text, &end, 10) : 0;
    if (n < 1 || n > INT_MAX / 2 || errno)
        return false;
    *text = end;
    *out = (int)n;
    return true;
}

/* "2/4", "1-3/4"; missing: 1/1. */
static mq_status read_shard(const struct reader *r, const json_t *root, mq_calibration *c)
{
    const json_t *value = json_object_get(root, "shard");
    const char *text = value ? json_string_value(value) : "1/1";
    bool good = text && take_number(&text, &c->shard);

    if (good && *text == '-') {
        text++;
        good = take_number(&text, &c->last_shard) && c->last_shard > c->shard;
    }
    good = good && *text++ == '/' && take_number(&text, &c->n_shards) && !*text;
    if (!good || c->shard > c->n_shards || c->last_shard > c->n_shards)
        return refuse(r, "shard", "\"I/N\" or \"I-J/N\", from 1 to N");
    if (c->n_shards > 1 && c->shard == 1 && c->last_shard == c->n_shards)
        return refuse(r, "shard", "\"1/1\" for the whole");
    return MQ_OK;
}

static mq_status read_root(struct reader *r, json_t *root, mq_calibration *c)
{
    static const char *const keys[] = { "format", "version", "mq", "model", "prepared", "preprocess", "data",
                                        "sampling", "samples", "shard", "channels", "tensors", NULL };
    json_t *tensors = json_object_get(root, "tensors"), *value;
    const char *format = json_string_value(json_object_get(root, "format")), *name;
    mq_status rc = MQ_OK;

    if (!format || strcmp(format, "mq-calibration") != 0)
        return mq_fail(r->err, MQ_ERR_INPUT, "%s: no calibration: \"format\" is not \"mq-calibration\"", r->path);
    if (json_integer_value(json_object_get(root, "version")) != 1)
        return refuse(r, "version", "not 1, the only one known here");
    MQ_TRY(check_keys(r, root, keys));
    MQ_TRY(read_text(r, root, "model", &c->model));
    MQ_TRY(read_text(r, root, "prepared", &c->prepared));
    MQ_TRY(read_text(r, root, "preprocess", &c->preprocess));
    MQ_TRY(read_text(r, root, "data", &c->data));
    MQ_TRY(read_text(r, root, "sampling", &c->sampling));
    MQ_TRY(read_count(r, root, "samples", &c->samples));
    MQ_TRY(read_shard(r, root, c));
    MQ_TRY(read_all_channels(r, json_object_get(root, "channels"), c));
    if (!json_is_object(tensors))
        return refuse(r, "tensors", "not there, or no object");
    json_object_foreach(tensors, name, value)
        MQ_TRY(read_tensor(r, c, name, value));
done:
    return rc;
}

mq_status mq_calibration_load(mq_calibration *c, const char *path, const mq_hooks *hooks, mq_error *err)
{
    struct reader r = { .path = path, .err = err };
    mq_calibration read = { 0 };
    json_t *root = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_json_load(&root, path, err));
    mq_note_file(hooks, path, false);
    MQ_TRY(read_root(&r, root, &read));
    *c = read;
    read = (mq_calibration){ 0 };
done:
    if (rc != MQ_OK)
        mq_error_one_line(err); /* names of tensors and keys */
    json_decref(root);
    mq_calibration_release(&read);
    return rc;
}
