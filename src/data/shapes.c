/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --shape and --dim: what the user says of the inputs' sizes, put into the model's declarations. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "base/str.h"
#include "data/data.h"
#include "data/fill.h"
#include "ops/ops.h"

/* Inputs that must be fed: with IR 3 initializers are inputs too. */
static mq_value *only_input(const mq_model *m)
{
    mq_value *only = NULL;

    for (size_t i = 0; i < m->graph->inputs.n; i++) {
        mq_value *v = m->graph->inputs.items[i];

        if (v->init || v->sparse)
            continue;
        if (only)
            return NULL;
        only = v;
    }
    return only;
}

static mq_value *find_input(const mq_model *m, const char *name, size_t n)
{
    for (size_t i = 0; i < m->graph->inputs.n; i++) {
        mq_value *v = m->graph->inputs.items[i];

        if (strlen(v->name) == n && memcmp(v->name, name, n) == 0)
            return v;
    }
    return NULL;
}

static mq_status unknown_input(const mq_model *m, const char *option, const char *name, size_t n, mq_error *err)
{
    const size_t count = m->graph->inputs.n;
    const char **names = calloc(count + 1, sizeof *names);
    char near[200] = "", text[200];

    snprintf(text, sizeof text, "%.*s", (int)(n < 199 ? n : 199), name);
    for (size_t i = 0; names && i < count; i++)
        names[i] = m->graph->inputs.items[i]->name;
    if (names)
        mq_suggest(near, sizeof near, text, names, count);
    free(names);
    return mq_fail(err, MQ_ERR_USAGE, "%s: the model has no input '%s'%s", option, text, near);
}

/* "1x3x224x224", "batch,seq", "?" and -1 for unknown sizes, "" for a scalar. The characters are in the model's arena. */
static bool parse_dims(char *text, mq_dim *dims, int *rank)
{
    const bool commas = strchr(text, ',') != NULL;
    char *save = NULL;

    *rank = 0;
    for (char *p = text; *p && !commas; p++) /* 1x3x4: an x between digits */
        if (*p == 'x' && p > text && (isdigit((unsigned char)p[-1]) || p[-1] == '?') &&
            (isdigit((unsigned char)p[1]) || p[1] == '?'))
            *p = ',';
    for (char *p = strtok_r(text, ",", &save); p; p = strtok_r(NULL, ",", &save), ++*rank) {
        int64_t size;

        if (*rank == MQ_MAX_RANK)
            return false;
        if (strcmp(p, "?") == 0 || strcmp(p, "-1") == 0)
            dims[*rank] = MQ_DIM_UNKNOWN;
        else if (mq_parse_size(p, strlen(p), &size))
            dims[*rank] = MQ_DIM(size);
        else if (isdigit((unsigned char)*p))
            return false;
        else
            dims[*rank] = (mq_dim){ .value = -1, .symbol = p };
    }
    return true;
}

static mq_status set_shape(mq_value *v, char *text, const char *whole, mq_error *err)
{
    const mq_type *old = v->declared;
    mq_dim dims[MQ_MAX_RANK];
    int rank;

    if (!parse_dims(text, dims, &rank))
        return mq_fail(err, MQ_ERR_USAGE, "--shape '%s': write sizes as 1x3x224x224, or with names as batch,seq", whole);
    if (old && old->kind == MQ_TYPE_TENSOR && old->rank >= 0 && old->rank != rank)
        return mq_fail(err, MQ_ERR_USAGE, "--shape '%s': input '%s' has %d axes, not %d", whole, v->name, old->rank, rank);
    return mq_value_declare_shape(v, rank, dims, err);
}

/* Where an item's name ends and its shape begins: at the last '=', else at a ':' behind an input's name. NULL: no name. */
static char *name_end(const mq_model *m, char *item)
{
    char *eq = strrchr(item, '=');

    if (eq)
        return eq;
    for (char *colon = strrchr(item, ':'); colon && colon > item; colon = memrchr(item, ':', (size_t)(colon - item)))
        if (find_input(m, item, (size_t)(colon - item)))
            return colon;
    return strrchr(item, ':');
}

static mq_status apply_item(mq_model *m, char *item, const char *whole, mq_error *err)
{
    mq_value *bare = only_input(m), *v;
    char *end = name_end(m, item);

    if (!end) {
        if (!bare)
            return mq_fail(err, MQ_ERR_USAGE, "--shape '%s': the model has several inputs: write INPUT=%s", whole, item);
        return set_shape(bare, item, whole, err);
    }
    v = find_input(m, item, (size_t)(end - item));
    return v ? set_shape(v, end + 1, whole, err) : unknown_input(m, "--shape", item, (size_t)(end - item), err);
}

/* A value may hold several: a comma and then a name ends one ("a=1x3,b=batch,4" are two). */
static mq_status apply_shapes(mq_model *m, const char *whole, mq_error *err)
{
    char *text = mq_arena_strdup(m->arena, whole);
    mq_status rc = MQ_OK;

    if (!text)
        return mq_oom(err);
    for (char *item = text, *p = text; rc == MQ_OK; p++) {
        const char *next = *p == ',' ? p + 1 + strcspn(p + 1, ",") : p;
        const size_t n = (size_t)(next - p); /* up to the next comma, this one included */
        const bool begins = *p == ',' && (memchr(p, '=', n) || memchr(p, ':', n));

        if (*p && !begins)
            continue;
        begins ? (void)(*p = '\0') : (void)0;
        rc = apply_item(m, item, whole, err);
        if (!begins)
            break;
        item = p + 1;
    }
    return rc;
}

/* ---- --dim -------------------------------------------------------------------------------------------------------- */

/* "past + seq" with a number in the name's place: the new size, known or not; false: the name is not in it. */
static bool replace_in(mq_arena *a, mq_dim *d, const char *name, int64_t size, mq_status *rc)
{
    static const char ends[] = " +-*()";
    const mq_sizes none = { 0 };
    mq_str s = { 0 };
    bool found = false;

    if (!strpbrk(d->symbol, " +*"))
        return false;
    for (const char *p = d->symbol; *p;) {
        const size_t n = strcspn(p, ends);

        if (n && n == strlen(name) && memcmp(p, name, n) == 0) {
            mq_str_addf(&s, "%lld", (long long)size);
            found = true;
        } else {
            mq_str_add_n(&s, p, n);
        }
        p += n;
        if (*p)
            mq_str_add_n(&s, p++, 1);
    }
    if (found) {
        const char *text = s.failed ? NULL : mq_arena_strdup(a, s.s);
        const int64_t v = text ? mq_sizes_get(&none, text) : -1;

        *rc = text ? *rc : MQ_ERR_NOMEM;
        *d = v >= 0 ? MQ_DIM(v) : (mq_dim){ .value = -1, .symbol = text };
    }
    mq_str_release(&s);
    return found;
}

static bool set_symbol_of(mq_value *v, const char *name, int64_t size, mq_status *rc, mq_error *err)
{
    const mq_type *t = v->declared;
    mq_dim dims[MQ_MAX_RANK];
    bool found = false;

    if (!t || t->kind != MQ_TYPE_TENSOR || t->rank < 0 || t->rank > MQ_MAX_RANK)
        return false;
    for (int i = 0; i < t->rank; i++) {
        dims[i] = t->dims[i];
        if (dims[i].symbol && !mq_dim_known(dims[i]) && strcmp(dims[i].symbol, name) == 0) {
            dims[i] = MQ_DIM(size);
            found = true;
        } else if (dims[i].symbol && !mq_dim_known(dims[i])) {
            found |= replace_in(v->graph->model->arena, &dims[i], name, size, rc);
        }
    }
    if (*rc == MQ_ERR_NOMEM)
        *rc = mq_oom(err);
    if (found && *rc == MQ_OK)
        *rc = mq_value_declare_shape(v, t->rank, dims, err);
    return found;
}

static mq_status unknown_symbol(const mq_model *m, const char *name, mq_error *err)
{
    MQ_VEC(const char *) names = { 0 };
    char near[200];

    for (size_t i = 0; i < m->graph->inputs.n; i++) {
        const mq_type *t = m->graph->inputs.items[i]->declared;

        for (int k = 0; t && t->kind == MQ_TYPE_TENSOR && k < t->rank; k++)
            if (t->dims[k].symbol && !mq_vec_push(&names, t->dims[k].symbol))
                break;
    }
    mq_suggest(near, sizeof near, name, names.items, names.n);
    mq_vec_release(&names);
    return mq_fail(err, MQ_ERR_USAGE, "--dim: no input has a size called '%s'%s", name, near);
}

static mq_status apply_dim(mq_model *m, const char *item, mq_error *err)
{
    const mq_value_vec *lists[] = { &m->graph->inputs, &m->graph->outputs };
    const char *name, *value;
    bool found = false;
    int64_t size;
    mq_status rc = mq_parse_pair(&name, &value, m->arena, item, "--dim", err);

    if (rc != MQ_OK)
        return rc;
    if (!mq_parse_size(value, strlen(value), &size))
        return mq_fail(err, MQ_ERR_USAGE, "--dim '%s': the size is a number from 0", item);
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < lists[k]->n; i++) {
            const bool here = set_symbol_of(lists[k]->items[i], name, size, &rc, err);

            found |= here && k == 0;
        }
    return rc != MQ_OK || found ? rc : unknown_symbol(m, name, err);
}

mq_status mq_shapes_apply(mq_model *m, const char *const *shapes, size_t n_shapes, const char *const *dims, size_t n_dims,
                          mq_error *err)
{
    mq_status rc = MQ_OK;

    if (!m->graph)
        return MQ_OK;
    for (size_t i = 0; rc == MQ_OK && i < n_shapes; i++)
        rc = apply_shapes(m, shapes[i], err);
    for (size_t i = 0; rc == MQ_OK && i < n_dims; i++) {
        char *text = mq_arena_strdup(m->arena, dims[i]), *save = NULL;

        if (!text)
            return mq_oom(err);
        for (char *item = strtok_r(text, ",", &save); rc == MQ_OK && item; item = strtok_r(NULL, ",", &save))
            rc = apply_dim(m, item, err);
    }
    return rc;
}
