/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Einsum: the parser of its equation (explicit and implicit form, ellipses, repeated letters), its shape rule and its
 * multiply-accumulates. Looks for no cheaper order of products. */
#include "ops/einsum.h"

#include <string.h>

#include "ops/rule_parts.h"

/* ---- the equation ------------------------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Reads the term from s up to a comma, "->" or the end; *used is how far. */
static mq_status parse_term(mq_arena *a, const char *s, size_t n, size_t *used, mq_einsum_term *t, mq_error *err)
{
    size_t i = 0, end = 0;

    while (end < n && s[end] != ',' && s[end] != '-')
        end++;
    if (end > INT32_MAX)
        return mq_fail(err, MQ_ERR_INPUT, "equation: a term is too long");
    *t = (mq_einsum_term){ .labels = mq_arena_alloc(a, end + 1) };
    if (!t->labels)
        return mq_oom(err);
    while (i < end) {
        if (is_letter(s[i])) {
            t->labels[t->n++] = s[i++];
            t->n_letters++;
        } else if (end - i >= 3 && !memcmp(s + i, "...", 3) && !t->ellipsis) {
            t->labels[t->n++] = MQ_EINSUM_ELLIPSIS;
            t->ellipsis = true;
            i += 3;
        } else {
            return mq_fail(err, MQ_ERR_INPUT, "equation: byte 0x%02x at %zu of a term is no letter or single \"...\"",
                           (unsigned char)s[i], i);
        }
    }
    *used = i;
    return MQ_OK;
}

/* How often each letter stands in the terms of the left side. */
static void count_letters(const mq_einsum *e, int counts[128])
{
    for (size_t t = 0; t < e->n_in; t++)
        for (int i = 0; i < e->in[t].n; i++)
            if (e->in[t].labels[i] != MQ_EINSUM_ELLIPSIS)
                counts[(unsigned char)e->in[t].labels[i]]++;
}

/* Without "->": the ellipsis, then every letter that stands exactly once, by its code. */
static mq_status implicit_output(mq_arena *a, mq_einsum *e, mq_error *err)
{
    int counts[128] = { 0 };

    count_letters(e, counts);
    e->out = (mq_einsum_term){ .labels = mq_arena_alloc(a, 64) };
    if (!e->out.labels)
        return mq_oom(err);
    for (size_t t = 0; t < e->n_in; t++)
        e->out.ellipsis |= e->in[t].ellipsis;
    if (e->out.ellipsis)
        e->out.labels[e->out.n++] = MQ_EINSUM_ELLIPSIS;
    for (int c = 'A'; c <= 'z'; c++) {
        if (counts[c] != 1)
            continue;
        e->out.labels[e->out.n++] = (char)c;
        e->out.n_letters++;
    }
    return MQ_OK;
}

/* Every letter of the right side must stand on the left, and once on the right. */
static mq_status check_output(const mq_einsum *e, mq_error *err)
{
    int counts[128] = { 0 };
    bool ellipsis = false;

    count_letters(e, counts);
    for (size_t t = 0; t < e->n_in; t++)
        ellipsis |= e->in[t].ellipsis;
    if (e->out.ellipsis && !ellipsis)
        return mq_fail(err, MQ_ERR_INPUT, "equation: \"...\" of the right side is missing on the left");
    for (int i = 0; i < e->out.n; i++) {
        const unsigned char c = (unsigned char)e->out.labels[i];

        if (c == MQ_EINSUM_ELLIPSIS)
            continue;
        if (counts[c] <= 0)
            return mq_fail(err, MQ_ERR_INPUT, "equation: '%c' of the right side %s", c,
                           counts[c] ? "stands there twice" : "is missing on the left");
        counts[c] = -1;
    }
    return MQ_OK;
}

/* Spaces mean nothing, wherever they stand. */
static char *without_spaces(mq_arena *a, mq_bytes equation, size_t *n, size_t *n_commas)
{
    const char *from = equation.data;
    char *s = mq_arena_alloc(a, equation.n);

    *n = *n_commas = 0;
    for (size_t k = 0; s && k < equation.n; k++) {
        *n_commas += from[k] == ',';
        if (from[k] != ' ')
            s[(*n)++] = from[k];
    }
    return s;
}

mq_status mq_einsum_parse(mq_arena *a, mq_bytes equation, mq_einsum *out, mq_error *err)
{
    size_t n, n_commas, used = 0, i = 0;
    const char *s = without_spaces(a, equation, &n, &n_commas);

    *out = (mq_einsum){ .in = mq_arena_calloc(a, n_commas + 1, sizeof *out->in) };
    if (!s || !out->in)
        return mq_oom(err);
    for (;;) {
        MQ_RULE_TRY(parse_term(a, s + i, n - i, &used, &out->in[out->n_in++], err));
        i += used;
        if (i >= n || s[i] != ',')
            break;
        i++;
    }
    if (i == n)
        return implicit_output(a, out, err);
    if (n - i < 2 || s[i + 1] != '>')
        return mq_fail(err, MQ_ERR_INPUT, "equation: '-' without '>'");
    i += 2;
    MQ_RULE_TRY(parse_term(a, s + i, n - i, &used, &out->out, err));
    if (i + used != n)
        return mq_fail(err, MQ_ERR_INPUT, "equation: more than one term on the right side");
    return check_output(out, err);
}

/* ---- sizes -------------------------------------------------------------------------------------------------------- */

/* What the operands say about each letter and about the axes behind the ellipses. */
typedef struct sizes {
    mq_dim letter[128];
    bool seen[128];
    int n_ellipsis; /* -1: not known */
    mq_dim *ellipsis;
} sizes;

/* Sizes of one letter must agree; 1 goes with everything, as in broadcasting. */
static mq_status meet(mq_infer *in, char letter, mq_dim *d, mq_dim other)
{
    if (mq_dim_known(*d) && d->value == 1) {
        *d = other;
        return MQ_OK;
    }
    if (mq_dim_known(other) && other.value == 1)
        return MQ_OK;
    return mq_want_same(in, d, other, (const char[]){ 'i', 'n', 'd', 'e', 'x', ' ', letter, '\0' });
}

static mq_status meet_operand(mq_infer *in, const mq_einsum_term *t, size_t i, sizes *s, const mq_dim **ellipsis, int *n)
{
    const mq_dim *dims = mq_in_dims(in, i);
    const int rank = mq_in_rank(in, i);

    *n = 0;
    *ellipsis = dims;
    for (int k = 0; k < t->n; k++)
        if (t->labels[k] != MQ_EINSUM_ELLIPSIS)
            s->seen[(unsigned char)t->labels[k]] = true;
    if (rank < 0) {
        if (t->ellipsis)
            s->n_ellipsis = -1;
        return MQ_OK;
    }
    if (t->ellipsis ? rank < t->n_letters : rank != t->n_letters)
        return mq_fail(in->err, MQ_ERR_INPUT, "operand %zu has rank %d, its term in the equation has %d letters", i, rank,
                       t->n_letters);
    for (int k = 0, axis = 0; k < t->n; k++) {
        const unsigned char c = (unsigned char)t->labels[k];

        if (c == MQ_EINSUM_ELLIPSIS) {
            *ellipsis = dims + axis;
            *n = rank - t->n_letters;
            axis += *n;
            continue;
        }
        MQ_RULE_TRY(meet(in, t->labels[k], &s->letter[c], dims[axis++]));
    }
    return MQ_OK;
}

static mq_status gather_sizes(mq_infer *in, const mq_einsum *e, sizes *s)
{
    const mq_dim **dims = mq_arena_calloc(in->model->arena, e->n_in, sizeof *dims);
    int *ranks = mq_arena_calloc(in->model->arena, e->n_in, sizeof *ranks);

    if (!dims || !ranks)
        return mq_oom(in->err);
    *s = (sizes){ 0 };
    for (int c = 0; c < 128; c++)
        s->letter[c] = MQ_DIM(1);
    for (size_t i = 0; i < e->n_in; i++) {
        /* an unknown operand leaves its letters open */
        if (mq_in_rank(in, i) < 0)
            for (int k = 0; k < e->in[i].n; k++)
                s->letter[(unsigned char)e->in[i].labels[k]] = MQ_DIM_UNKNOWN;
    }
    for (size_t i = 0; i < e->n_in; i++)
        MQ_RULE_TRY(meet_operand(in, &e->in[i], i, s, &dims[i], &ranks[i]));
    if (s->n_ellipsis < 0)
        return MQ_OK;
    return mq_broadcast(in, e->n_in, dims, ranks, &s->n_ellipsis, &s->ellipsis);
}

static mq_status parse_of_node(mq_arena *a, const mq_node *n, mq_einsum *e, bool *ok, mq_error *err)
{
    const mq_attr *eq = mq_node_attr(n, "equation");

    *ok = eq && eq->type == MQ_ATTR_STRING && !eq->ref;
    if (!*ok)
        return MQ_OK;
    MQ_RULE_TRY(mq_einsum_parse(a, eq->s, e, err));
    if (e->n_in != n->n_inputs)
        return mq_fail(err, MQ_ERR_INPUT, "the equation has %zu terms for %zu inputs", e->n_in, n->n_inputs);
    return MQ_OK;
}

mq_status mq_infer_einsum(mq_infer *in)
{
    mq_einsum e;
    sizes s;
    bool ok;
    int rank = 0;
    mq_dim *dims;

    MQ_RULE_TRY(parse_of_node(in->model->arena, in->node, &e, &ok, in->err));
    if (!ok)
        return MQ_OK;
    MQ_RULE_TRY(gather_sizes(in, &e, &s));
    if (e.out.ellipsis && s.n_ellipsis < 0)
        return MQ_OK;
    dims = mq_dims_new(in, e.out.n_letters + (e.out.ellipsis ? s.n_ellipsis : 0));
    if (!dims)
        return mq_oom(in->err);
    for (int i = 0; i < e.out.n; i++) {
        if (e.out.labels[i] != MQ_EINSUM_ELLIPSIS)
            dims[rank++] = s.letter[(unsigned char)e.out.labels[i]];
        else
            for (int k = 0; k < s.n_ellipsis; k++)
                dims[rank++] = s.ellipsis[k];
    }
    return mq_out_shape(in, 0, rank, dims);
}

/* The largest size that stands at one place of the terms: broadcasting lets 1 stand beside it. */
static int64_t macs_letter(const mq_einsum *e, const mq_node *n, char letter)
{
    int64_t size = 1;

    for (size_t t = 0; t < e->n_in; t++) {
        const mq_einsum_term *term = &e->in[t];
        bool behind = false;

        for (int k = 0; k < term->n; k++) {
            behind |= term->labels[k] == MQ_EINSUM_ELLIPSIS;
            if (term->labels[k] != letter)
                continue;
            const int64_t d = mq_macs_dim(n->inputs[t], behind ? k - term->n : k);
            if (d < 0)
                return -1;
            size = d == 1 ? size : d;
        }
    }
    return size;
}

/* The same for the axis that stands `back` places before the end of every ellipsis. */
static int64_t macs_ellipsis(const mq_einsum *e, const mq_node *n, int back)
{
    int64_t size = 1;

    for (size_t t = 0; t < e->n_in; t++) {
        const mq_einsum_term *term = &e->in[t];
        const char *at = memchr(term->labels, MQ_EINSUM_ELLIPSIS, (size_t)term->n);
        const mq_type *type = n->inputs[t] ? n->inputs[t]->type : NULL;

        if (!at || !type || type->rank - term->n_letters < back)
            continue;
        const int behind = (int)(term->labels + term->n - at) - 1;
        const int64_t d = mq_macs_dim(n->inputs[t], -behind - back);
        if (d < 0)
            return -1;
        size = d == 1 ? size : d;
    }
    return size;
}

int64_t mq_macs_einsum(const mq_node *n)
{
    mq_arena *a = mq_arena_create();
    mq_einsum e;
    bool ok, seen[128] = { false };
    int max_ellipsis = 0;
    int64_t product = -1;

    if (!a || parse_of_node(a, n, &e, &ok, NULL) != MQ_OK || !ok)
        goto done;
    product = n->n_inputs > 1 ? 1 : 0;
    for (size_t t = 0; t < e.n_in; t++) {
        const mq_type *type = n->inputs[t] ? n->inputs[t]->type : NULL;

        if (!type || type->kind != MQ_TYPE_TENSOR || type->rank < e.in[t].n_letters)
            product = -1;
        else if (e.in[t].ellipsis && type->rank - e.in[t].n_letters > max_ellipsis)
            max_ellipsis = type->rank - e.in[t].n_letters;
        for (int k = 0; k < e.in[t].n && product > 0; k++) {
            const char c = e.in[t].labels[k];

            if (c != MQ_EINSUM_ELLIPSIS && !seen[(unsigned char)c])
                product = mq_macs_mul(product, macs_letter(&e, n, c));
            seen[(unsigned char)c] = true;
        }
    }
    for (int back = 1; back <= max_ellipsis && product > 0; back++)
        product = mq_macs_mul(product, macs_ellipsis(&e, n, back));
done:
    mq_arena_free(a);
    return product;
}
