/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reads overrides and applies them. Which tensors are weights, and what is done with one beside its numbers, is decided in
 * select.c. */
#include "quant/overrides.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/pattern.h"
#include "data/json_file.h"
#include "quant/filters.h"
#include "quant/targets.h"

static void free_override(mq_override *v)
{
    free(v->name);
    free(v->scales);
    free(v->zero_points);
    free(v->lows);
    free(v->highs);
    free(v);
}

void mq_overrides_free(mq_overrides *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->items.n; i++)
        free_override(o->items.items[i]);
    mq_vec_release(&o->items);
    free(o);
}

bool mq_override_is_explicit(const mq_override *v)
{
    return v && (v->scales || v->lows);
}

bool mq_override_is_per_tensor(const mq_override *v)
{
    return mq_override_is_explicit(v) && !v->has_axis && !v->block_size && v->n_params == 1;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* One tensor being read; messages name it. */
struct reader {
    mq_override *v;
    const char *path;
    mq_error *err;
};

static mq_status refuse(const struct reader *r, const char *key, const char *wants)
{
    return mq_fail(r->err, MQ_ERR_USAGE, "--overrides %s: '%s': %s is %s", r->path, r->v->name, key, wants);
}

/* ONNX Runtime's QuantType ("QInt8", "QUInt4") or a name of ours. */
static mq_status read_type(const struct reader *r, const json_t *value)
{
    const char *text = json_string_value(value);
    char name[16];
    mq_error ignored;

    if (!text || strlen(text) >= sizeof name)
        return refuse(r, "quant_type", "a type as \"QInt8\" or \"int8\"");
    snprintf(name, sizeof name, "%s", text + (text[0] == 'Q'));
    for (char *c = name; *c && text[0] == 'Q'; c++)
        *c = (char)tolower((unsigned char)*c);
    if (mq_quant_type("", name, text[0] != 'Q', &r->v->type, &ignored) != MQ_OK)
        return refuse(r, "quant_type", "int8, uint8, int4, uint4, int2, uint2, int16, uint16 (QInt8, ...) or float");
    return MQ_OK;
}

static mq_status read_choice(const struct reader *r, const char *key, const json_t *value, mq_choice *out)
{
    if (!json_is_boolean(value))
        return refuse(r, key, "true or false");
    *out = json_is_true(value) ? MQ_CHOICE_YES : MQ_CHOICE_NO;
    return MQ_OK;
}

static mq_status read_block_size(const struct reader *r, const json_t *value)
{
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : 0;

    if (n < 16 || n > 256 || (n & (n - 1)))
        return refuse(r, "block_size", "a power of two from 16 to 256");
    r->v->block_size = (size_t)n;
    return MQ_OK;
}

static mq_status read_axis(const struct reader *r, const json_t *value)
{
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : INT16_MAX;

    if (n < -MQ_SOURCE_MAX_DIMS || n >= MQ_SOURCE_MAX_DIMS)
        return refuse(r, "axis", "the number of a dimension");
    r->v->has_axis = true;
    r->v->axis = n;
    return MQ_OK;
}

/* Numbers of one key: of entries [0, n) of a tensor, or a list in its only entry. *out stays NULL when the key is missing
 * everywhere. */
static mq_status read_numbers(const struct reader *r, const json_t *entries, const char *key, float **out, size_t *n)
{
    size_t n_entries = json_array_size(entries), n_with = 0;
    const json_t *list = json_object_get(json_array_get(entries, 0), key);
    bool is_list = json_is_array(list);

    for (size_t i = 0; i < n_entries; i++)
        n_with += json_object_get(json_array_get(entries, i), key) != NULL;
    if (!n_with)
        return MQ_OK;
    if (n_with != n_entries || (is_list && n_entries != 1))
        return refuse(r, key, "given for every channel, or as one list");
    *n = is_list ? json_array_size(list) : n_entries;
    if (!*n)
        return refuse(r, key, "a number or a list of numbers");
    if (!(*out = malloc(*n * sizeof **out)))
        return mq_oom(r->err);
    for (size_t i = 0; i < *n; i++) {
        const json_t *value = is_list ? json_array_get(list, i) : json_object_get(json_array_get(entries, i), key);
        if (!json_is_number(value) || !isfinite((float)json_number_value(value)))
            return refuse(r, key, "a number or a list of numbers");
        (*out)[i] = (float)json_number_value(value);
    }
    return MQ_OK;
}

static mq_status read_scales(const struct reader *r, const json_t *entries)
{
    mq_override *v = r->v;
    float *points = NULL;
    size_t n_points = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(read_numbers(r, entries, "scale", &v->scales, &v->n_params));
    MQ_TRY(read_numbers(r, entries, "zero_point", &points, &n_points));
    if (points && !v->scales)
        rc = refuse(r, "zero_point", "given with a scale only");
    else if (points && n_points != v->n_params)
        rc = refuse(r, "zero_point", "a list as long as that of scale");
    if (rc != MQ_OK || !v->scales)
        goto done;
    if (!(v->zero_points = calloc(v->n_params, sizeof *v->zero_points))) {
        rc = mq_oom(r->err);
        goto done;
    }
    for (size_t i = 0; rc == MQ_OK && i < v->n_params; i++) {
        if (!(v->scales[i] > 0))
            rc = refuse(r, "scale", "a number over 0");
        else if (points && (points[i] != rintf(points[i]) || fabsf(points[i]) > 65535))
            rc = refuse(r, "zero_point", "a whole number of the type");
        else if (points)
            v->zero_points[i] = (int32_t)points[i];
    }
done:
    free(points);
    return rc;
}

static mq_status read_ranges(const struct reader *r, const json_t *entries)
{
    mq_override *v = r->v;
    size_t n_lows = 0, n_highs = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(read_numbers(r, entries, "rmin", &v->lows, &n_lows));
    MQ_TRY(read_numbers(r, entries, "rmax", &v->highs, &n_highs));
    if (n_lows != n_highs)
        rc = refuse(r, v->lows ? "rmin" : "rmax", "given together with the other end of the range");
    else if (v->lows && v->scales)
        rc = refuse(r, "scale", "given instead of rmin and rmax, not with them");
    for (size_t i = 0; rc == MQ_OK && v->lows && i < n_lows; i++)
        if (!(v->lows[i] <= v->highs[i]))
            rc = refuse(r, "rmin", "at most rmax");
    if (v->lows)
        v->n_params = n_lows;
done:
    return rc;
}

/* Keys that hold for the whole tensor, in its first entry; the others may repeat them. */
static mq_status read_entry(const struct reader *r, json_t *entry)
{
    mq_status rc = MQ_OK;
    const char *key;
    json_t *value;

    if (!json_is_object(entry))
        return refuse(r, "the value", "an array of objects");
    json_object_foreach(entry, key, value) {
        if (strcmp(key, "quant_type") == 0)
            MQ_TRY(read_type(r, value));
        else if (strcmp(key, "symmetric") == 0)
            MQ_TRY(read_choice(r, key, value, &r->v->symmetric));
        else if (strcmp(key, "reduce_range") == 0)
            MQ_TRY(read_choice(r, key, value, &r->v->reduce_range));
        else if (strcmp(key, "axis") == 0)
            MQ_TRY(read_axis(r, value));
        else if (strcmp(key, "block_size") == 0)
            MQ_TRY(read_block_size(r, value));
        else if (strcmp(key, "scale") && strcmp(key, "zero_point") && strcmp(key, "rmin") && strcmp(key, "rmax"))
            return mq_fail(r->err, MQ_ERR_USAGE,
                           "--overrides %s: '%s': unknown key '%s': there are quant_type, symmetric, reduce_range, axis, "
                           "block_size, rmin, rmax, scale and zero_point", r->path, r->v->name, key);
    }
done:
    return rc;
}

static mq_status read_entries(const struct reader *r, json_t *entries)
{
    mq_override *v = r->v;
    mq_status rc = MQ_OK;

    if (!json_array_size(entries))
        return refuse(r, "the value", "an array of objects");
    for (size_t i = 0; i < json_array_size(entries); i++)
        MQ_TRY(read_entry(r, json_array_get(entries, i)));
    MQ_TRY(read_scales(r, entries));
    MQ_TRY(read_ranges(r, entries));
    if (json_array_size(entries) > 1 && !v->has_axis)
        rc = refuse(r, "axis", "needed where there are several objects: one per channel");
    else if (v->has_axis && v->block_size)
        rc = refuse(r, "block_size", "not for axis, which gives one scale per channel");
    else if (v->scales && (v->symmetric || v->reduce_range))
        rc = refuse(r, "scale", "given without symmetric and reduce_range, which zero_point decides");
done:
    return rc;
}

static mq_status read_tensor(mq_overrides *o, const char *name, json_t *value, mq_error *err)
{
    mq_override *v = calloc(1, sizeof *v);
    struct reader r = { .v = v, .path = o->path, .err = err };
    json_t *one = NULL;
    mq_status rc;

    if (!v || !(v->name = strdup(name)) || !mq_vec_push(&o->items, v)) {
        if (v)
            free_override(v);
        return mq_oom(err);
    }
    if (!json_is_object(value))
        return read_entries(&r, value);
    if (!(one = json_pack("[O]", value)))
        return mq_oom(err);
    rc = read_entries(&r, one);
    json_decref(one);
    return rc;
}

mq_status mq_overrides_load(mq_overrides **out, const char *path, const mq_hooks *hooks, mq_error *err)
{
    mq_overrides *o = calloc(1, sizeof *o);
    json_t *root = NULL, *value;
    const char *name;
    mq_status rc = MQ_OK;

    if (!o)
        return mq_oom(err);
    o->path = path;
    if (path) {
        MQ_TRY(mq_json_load(&root, path, err));
        mq_note_file(hooks, path, false);
        if (!json_is_object(root)) {
            rc = mq_fail(err, MQ_ERR_USAGE, "--overrides %s: not an object of tensor names", path);
            goto done;
        }
        json_object_foreach(root, name, value)
            MQ_TRY(read_tensor(o, name, value, err));
    }
    *out = o;
    o = NULL;
done:
    if (rc != MQ_OK)
        mq_error_one_line(err); /* names of tensors and keys */
    json_decref(root);
    mq_overrides_free(o);
    return rc;
}

/* ---- using --------------------------------------------------------------------------------------------------------- */

const mq_override *mq_overrides_find(const mq_overrides *o, const char *name)
{
    for (size_t i = 0; i < o->items.n; i++)
        if (strcmp(o->items.items[i]->name, name) == 0)
            return o->items.items[i];
    return NULL;
}

static bool is_weight(const mq_quant_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->items.n; i++)
        if (strcmp(plan->items.items[i]->value->name, name) == 0)
            return true;
    return false;
}

mq_status mq_overrides_check(const mq_overrides *o, const mq_quant_plan *plan, mq_error *err)
{
    const char **names;
    char hint[256];

    for (size_t i = 0; i < o->items.n; i++) {
        if (is_weight(plan, o->items.items[i]->name))
            continue;
        if (!(names = malloc((plan->items.n + 1) * sizeof *names)))
            return mq_oom(err);
        for (size_t k = 0; k < plan->items.n; k++)
            names[k] = plan->items.items[k]->value->name;
        mq_suggest(hint, sizeof hint, o->items.items[i]->name, names, plan->items.n);
        free(names);
        return mq_fail(err, MQ_ERR_USAGE, "--overrides %s: '%s' is no weight of the model%s", o->path,
                       o->items.items[i]->name, hint);
    }
    return MQ_OK;
}

static bool has_zero_points(const mq_override *v)
{
    for (size_t i = 0; v->scales && i < v->n_params; i++)
        if (v->zero_points[i])
            return true;
    return v->symmetric == MQ_CHOICE_NO;
}

mq_status mq_override_check(const mq_override *v, const mq_quant_item *it, const char *target, mq_error *err)
{
    int n_dims = it->weight.source.n_dims;
    int64_t axis = v->axis < 0 ? v->axis + n_dims : v->axis;

    if (v->has_axis && (axis < 0 || axis >= n_dims))
        return mq_fail(err, MQ_ERR_USAGE, "--overrides: '%s' has %d dimensions: axis %lld is none of them", v->name, n_dims,
                       (long long)v->axis);
    if (v->has_axis && it->embedding && axis != 0)
        return mq_fail(err, MQ_ERR_USAGE, "--overrides: '%s' is looked up by rows: its axis is 0, not %lld", v->name,
                       (long long)axis);
    if (v->block_size && (it->reduce_axis < 0 || !mq_quant_target_blocks(target)))
        return mq_fail(err, MQ_ERR_USAGE, "--overrides: '%s': block_size: %s", v->name,
                       it->reduce_axis < 0 ? "it has no axis for blocks" : "the target has no blocks");
    if (has_zero_points(v) && !mq_quant_target_zero_points(target))
        return mq_fail(err, MQ_ERR_USAGE, "--overrides: '%s': --target %s takes zero points of 0 only", v->name, target);
    return v->type ? mq_quant_target_type(target, "--overrides: quant_type", v->type, err) : MQ_OK;
}

/* The i-th of n_scales. With a scale given the type's whole range is used. */
static mq_status set_param(const mq_override *v, mq_weight *w, size_t i, mq_error *err)
{
    size_t k = v->n_params == 1 ? 0 : i;
    int64_t least = mq_dtype_min(w->scheme.type), most = mq_dtype_max(w->scheme.type);

    if (v->lows) {
        mq_scheme_affine(&w->scheme, v->lows[k], v->highs[k], &w->scales[i], &w->zero_points[i]);
        return MQ_OK;
    }
    if (v->zero_points[k] < least || v->zero_points[k] > most)
        return mq_fail(err, MQ_ERR_USAGE, "--overrides: '%s': zero_point %d is not within %lld..%lld (%s)", v->name,
                       v->zero_points[k], (long long)least, (long long)most, mq_dtype_name(w->scheme.type));
    w->zero_points[i] = v->zero_points[k];
    w->scales[i] = mq_scheme_store(&w->scheme, (double)v->scales[k], v->zero_points[k]);
    return MQ_OK;
}

mq_status mq_override_apply(const mq_override *v, mq_quant_item *it, mq_error *err)
{
    mq_weight *w = &it->weight;
    size_t n = w->grid.n_scales;
    bool symmetric = true;

    if (!mq_override_is_explicit(v))
        return MQ_OK;
    if (v->n_params != 1 && v->n_params != n)
        return mq_fail(err, MQ_ERR_USAGE, "--overrides: '%s' has %zu scales, %zu are given", v->name, n, v->n_params);
    if (v->scales)
        w->scheme = mq_scheme_of(w->scheme.type, false, false, w->scheme.scale_type);
    w->scales = malloc((n + 1) * sizeof *w->scales);
    w->zero_points = malloc((n + 1) * sizeof *w->zero_points);
    if (!w->scales || !w->zero_points)
        return mq_oom(err);
    w->given = true;
    for (size_t i = 0; i < n; i++) {
        mq_status rc = set_param(v, w, i, err);
        if (rc != MQ_OK)
            return rc;
        symmetric &= w->zero_points[i] == mq_scheme_middle(&w->scheme);
    }
    if (v->scales)
        w->scheme.symmetric = symmetric; /* zero points that say nothing are not written */
    return MQ_OK;
}
