/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Types in inference: do the inputs fit the schema, what does the schema say of the outputs, and what comes of a declared
 * and an inferred type together. Shapes of results are the rules' business. */
#include "ops/infer.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define MAX_TYPE_DEPTH 32
#define TEXT 200

/* ---- constraints -------------------------------------------------------------------------------------------------- */

/* Do two types agree apart from shapes? What is unknown agrees with all. */
static bool same_elements(const mq_type *a, const mq_type *b, int depth)
{
    if (!a || !b || a->kind == MQ_TYPE_UNKNOWN || b->kind == MQ_TYPE_UNKNOWN || depth > MAX_TYPE_DEPTH)
        return true;
    if (a->kind != b->kind)
        return false;
    if (a->dtype != MQ_UNDEFINED && b->dtype != MQ_UNDEFINED && a->dtype != b->dtype)
        return false;
    return same_elements(a->elem, b->elem, depth + 1);
}

/* The names in a set, as many as fit. */
static const char *set_text(mq_type_set set, char *buf, size_t size)
{
    static const char *const kinds[] = { "sequences", "optionals", "maps", "sparse tensors", "other types" };
    size_t at = 0;

    buf[0] = '\0';
    for (int bit = 0; bit < 64 && at < size; bit++) {
        if (!(set >> bit & 1) || (bit >= MQ_N_DTYPES && (bit < 40 || bit > 44)))
            continue;
        at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? ", " : "",
                               bit < MQ_N_DTYPES ? mq_dtype_name((mq_dtype)bit) : kinds[bit - 40]);
    }
    return buf;
}

static mq_status check_input(mq_walk *w, const mq_node *n, size_t i, const mq_op_param *p, mq_type_binding *b)
{
    const mq_value *v = n->inputs[i];
    const mq_type *t = v->type;
    char is[TEXT], want[2 * TEXT];

    if (!mq_type_set_has(p->types, t)) {
        mq_type_text(t, is, sizeof is);
        return mq_walk_tell(w, n, "input %zu ('%s') is %s, but %s takes %s", i, v->name, is, n->op_type,
                            set_text(p->types, want, sizeof want));
    }
    if (p->var < 0 || p->heterogeneous)
        return MQ_OK;
    if (!b->type[p->var] || b->type[p->var]->dtype == MQ_UNDEFINED) {
        b->type[p->var] = t;
        b->input[p->var] = i;
        return MQ_OK;
    }
    if (same_elements(b->type[p->var], t, 0))
        return MQ_OK;
    mq_type_text(t, is, sizeof is);
    mq_type_text(b->type[p->var], want, TEXT);
    return mq_walk_tell(w, n, "input %zu ('%s') is %s, but input %zu is %s and both must be of one type", i, v->name, is,
                        b->input[p->var], want);
}

mq_status mq_types_bind(mq_walk *w, const mq_node *n, const mq_op_schema *s, mq_type_binding *b)
{
    mq_status rc = MQ_OK;

    *b = (mq_type_binding){ 0 };
    for (size_t i = 0; i < n->n_inputs && rc == MQ_OK; i++) {
        const mq_op_param *p = mq_schema_input(s, i);

        if (p && n->inputs[i] && n->inputs[i]->type)
            rc = check_input(w, n, i, p, b);
    }
    return rc;
}

/* ---- what the schema says of outputs ------------------------------------------------------------------------------ */

/* A copy of t without shapes. */
static mq_status without_shape(mq_infer *in, const mq_type *t, int depth, mq_type *out)
{
    *out = (mq_type){ .kind = t->kind, .dtype = t->dtype, .rank = -1 };
    if (t->elem && depth < MAX_TYPE_DEPTH) {
        out->elem = mq_arena_alloc(in->model->arena, sizeof *out->elem);
        if (!out->elem)
            return mq_oom(in->err);
        return without_shape(in, t->elem, depth + 1, out->elem);
    }
    return MQ_OK;
}

mq_status mq_types_default(mq_infer *in, const mq_type_binding *b)
{
    const mq_type_set tensors = ((mq_type_set)1 << MQ_N_DTYPES) - 1;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < in->node->n_outputs && rc == MQ_OK; i++) {
        const mq_op_param *p = mq_schema_output(in->schema, i);

        *in->out[i] = (mq_type){ .rank = -1 };
        in->known[i] = NULL;
        in->n_known[i] = 0;
        if (!p)
            continue;
        if (p->var >= 0 && !p->heterogeneous && b->type[p->var])
            rc = without_shape(in, b->type[p->var], 0, in->out[i]);
        else if (p->types && (p->types & ~tensors) == 0 && (p->types & (p->types - 1)) == 0)
            *in->out[i] = (mq_type){ .kind = MQ_TYPE_TENSOR, .dtype = (mq_dtype)__builtin_ctzll(p->types), .rank = -1 };
    }
    return rc;
}

/* ---- declared and inferred ---------------------------------------------------------------------------------------- */

typedef struct merging {
    mq_walk *walk;
    bool local, conflict;
} merging;

/* Declared sizes below 0 say nothing. */
static mq_dim declared_dim(const merging *m, mq_dim d)
{
    if (mq_dim_known(d))
        return MQ_DIM(d.value);
    return (mq_dim){ .value = -1, .symbol = m->local ? NULL : d.symbol };
}

static mq_status merge_shape(merging *m, const mq_type *declared, const mq_type *inferred, mq_type *out)
{
    const bool both = inferred && inferred->rank == declared->rank;

    out->rank = -1;
    out->dims = NULL;
    if (declared->rank < 0) {
        if (inferred) {
            out->rank = inferred->rank;
            out->dims = inferred->dims;
        }
        return MQ_OK;
    }
    if (inferred && inferred->rank >= 0 && !both)
        m->conflict = true;
    out->dims = mq_arena_calloc(m->walk->model->arena, (size_t)declared->rank, sizeof *out->dims);
    if (!out->dims)
        return mq_oom(m->walk->err);
    out->rank = declared->rank;
    for (int i = 0; i < out->rank; i++) {
        const mq_dim d = declared_dim(m, declared->dims[i]);

        out->dims[i] = both ? mq_dim_merge(d, inferred->dims[i], &m->conflict) : d;
    }
    return MQ_OK;
}

static bool says_something(const mq_type *t)
{
    return t && t->kind != MQ_TYPE_UNKNOWN;
}

/* Types without a declaration are shared, not copied: nobody changes them once they are a value's. */
static mq_status merge(merging *m, const mq_type *declared, const mq_type *inferred, int depth, mq_type **out)
{
    mq_status rc = MQ_OK;
    mq_type *t;

    if (!says_something(declared) || depth > MAX_TYPE_DEPTH) {
        *out = says_something(inferred) ? (mq_type *)inferred : NULL;
        return MQ_OK;
    }
    if (says_something(inferred) && inferred->kind != declared->kind)
        m->conflict = true;
    if (!says_something(inferred) || inferred->kind != declared->kind)
        inferred = NULL;
    t = mq_arena_memdup(m->walk->model->arena, declared, sizeof *declared);
    if (!t)
        return mq_oom(m->walk->err);
    if (inferred && t->dtype == MQ_UNDEFINED)
        t->dtype = inferred->dtype;
    else if (inferred && inferred->dtype != MQ_UNDEFINED && inferred->dtype != t->dtype)
        m->conflict = true;
    MQ_TRY(merge_shape(m, declared, inferred, t));
    if (declared->elem || (inferred && inferred->elem))
        MQ_TRY(merge(m, declared->elem, inferred ? inferred->elem : NULL, depth + 1, &t->elem));
    *out = t;
done:
    return rc;
}

mq_status mq_types_merge(mq_walk *w, const mq_type *declared, const mq_type *inferred, bool local, mq_type **out,
                         bool *conflict)
{
    merging m = { .walk = w, .local = local };
    const mq_status rc = merge(&m, declared, inferred, 0, out);

    if (m.conflict)
        *conflict = true;
    return rc;
}
