/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Atoms and their sets (union-find), and the groups that are read off them. What operators couple is in channels_rules.c;
 * taking channels out is in channels_shrink.c. */
#include "graph/channels.h"

#include <math.h>
#include <string.h>

#include "graph/channels_parts.h"

#define MAX_AXIS ((int64_t)1 << 24)
#define MAX_ATOMS ((uint64_t)1 << 28)

/* ---- atoms ---------------------------------------------------------------------------------------------------------- */

mq_atom_value *mq_atoms_of(const mq_channels *c, const mq_value *v)
{
    mq_atom_value *a;

    if (!v || v->tag == 0 || v->tag > c->values.n)
        return NULL;
    a = &c->values.items[v->tag - 1];
    return a->value == v ? a : NULL;
}

int mq_atoms_rank(const mq_channels *c, const mq_value *v)
{
    const mq_atom_value *a = mq_atoms_of(c, v);

    return a ? a->rank : -1;
}

mq_atom_axis *mq_atoms_axis(const mq_channels *c, const mq_value *v, int axis)
{
    const mq_atom_value *a = mq_atoms_of(c, v);

    return a && axis >= 0 && axis < a->rank ? &c->axes.items[a->axis + (uint32_t)axis] : NULL;
}

uint32_t mq_atoms_size(const mq_channels *c, const mq_value *v, int axis)
{
    const mq_atom_axis *x = mq_atoms_axis(c, v, axis);

    return x ? x->n : 0;
}

uint32_t mq_atoms_root(const mq_channels *c, uint32_t atom)
{
    uint32_t root = atom;

    while (c->parent[root] != root)
        root = c->parent[root];
    while (c->parent[atom] != root) {
        const uint32_t next = c->parent[atom];

        c->parent[atom] = root;
        atom = next;
    }
    return root;
}

uint32_t mq_atoms_at(const mq_channels *c, const mq_value *v, int axis, uint32_t index)
{
    const mq_atom_axis *x = mq_atoms_axis(c, v, axis);

    return x && x->first != MQ_NO_ATOM && index < x->n ? x->first + index : MQ_NO_ATOM;
}

/* The lower atom becomes the root: roots do not depend on the order of calls. */
void mq_atoms_join(mq_channels *c, uint32_t a, uint32_t b)
{
    if (a == MQ_NO_ATOM || b == MQ_NO_ATOM)
        return;
    a = mq_atoms_root(c, a);
    b = mq_atoms_root(c, b);
    if (a == b)
        return;
    if (b < a) {
        const uint32_t low = b;

        b = a;
        a = low;
    }
    if (!(c->flags[a] & MQ_ATOMS_FIXED))
        c->stop[a] = c->stop[b];
    c->flags[a] |= c->flags[b];
    c->parent[b] = a;
}

void mq_atoms_flag(mq_channels *c, const mq_value *v, int axis, uint8_t flag)
{
    const mq_atom_axis *x = mq_atoms_axis(c, v, axis);

    for (uint32_t i = 0; x && x->first != MQ_NO_ATOM && i < x->n; i++)
        c->flags[mq_atoms_root(c, x->first + i)] |= flag;
}

/* The last stop is the same for all axes of a node: no list of equals. */
static bool add_stop(mq_channels *c, const mq_node *n, const char *name, const char *reason)
{
    const mq_atom_stop *last = c->stops.n ? &c->stops.items[c->stops.n - 1] : NULL;
    const mq_atom_stop stop = { n, name, reason };

    if (last && last->node == n && last->name == name && last->reason == reason)
        return true;
    if (!mq_vec_push(&c->stops, stop))
        c->failed = true;
    return !c->failed;
}

static void fix(mq_channels *c, const mq_value *v, int axis, const mq_node *n, const char *name, const char *reason)
{
    const mq_atom_axis *x = mq_atoms_axis(c, v, axis);

    if (!x || x->first == MQ_NO_ATOM || !add_stop(c, n, name, reason))
        return;
    for (uint32_t i = 0; i < x->n; i++) {
        const uint32_t root = mq_atoms_root(c, x->first + i);

        if (!(c->flags[root] & MQ_ATOMS_FIXED))
            c->stop[root] = (uint32_t)c->stops.n - 1;
        c->flags[root] |= MQ_ATOMS_FIXED;
    }
}

void mq_atoms_fix(mq_channels *c, const mq_value *v, int axis, const mq_node *n, const char *reason)
{
    fix(c, v, axis, n, NULL, reason);
}

void mq_atoms_fix_value(mq_channels *c, const mq_value *v, const mq_node *n, const char *reason)
{
    for (int i = 0; i < mq_atoms_rank(c, v); i++)
        fix(c, v, i, n, n ? NULL : v->name, reason);
}

void mq_atoms_fix_node(mq_channels *c, const mq_node *n, const char *reason)
{
    for (size_t i = 0; i < n->n_inputs; i++)
        mq_atoms_fix_value(c, n->inputs[i], n, reason);
    for (size_t i = 0; i < n->n_outputs; i++)
        mq_atoms_fix_value(c, n->outputs[i], n, reason);
}

void mq_atoms_link(mq_channels *c, const mq_node *n, const mq_value *v, int axis, const mq_value *w, int axis2)
{
    const mq_atom_axis *x = mq_atoms_axis(c, v, axis), *y = mq_atoms_axis(c, w, axis2);

    if (!x || !y)
        return;
    if (x->n != y->n) {
        if (x->n != 1 && y->n != 1) {
            mq_atoms_fix(c, v, axis, n, "has sizes there that are not all known");
            mq_atoms_fix(c, w, axis2, n, "has sizes there that are not all known");
        }
        return;
    }
    for (uint32_t i = 0; x->first != MQ_NO_ATOM && i < x->n; i++)
        mq_atoms_join(c, x->first + i, y->first + i);
}

void mq_atoms_bear(mq_channels *c, const mq_node *n, const mq_value *w, int axis)
{
    mq_atom_axis *x = mq_atoms_axis(c, w, axis);

    if (x && !x->born)
        x->born = n;
}

/* ---- making atoms --------------------------------------------------------------------------------------------------- */

static mq_status add_axis(mq_channels *c, mq_dim d, uint64_t *n_atoms, mq_error *err)
{
    mq_atom_axis x = { .first = MQ_NO_ATOM };

    if (d.value >= 1 && d.value <= MAX_AXIS)
        x.n = (uint32_t)d.value;
    if (x.n > 1) {
        x.first = (uint32_t)*n_atoms;
        *n_atoms += x.n;
    }
    if (*n_atoms > MAX_ATOMS)
        return mq_fail(err, MQ_ERR_UNSUPPORTED,
                       "channels cannot be followed: the tensors' axes have over %llu elements together",
                       (unsigned long long)MAX_ATOMS);
    return mq_vec_push(&c->axes, x) ? MQ_OK : mq_oom(err);
}

/* A constant is what its payload says. */
static mq_status add_value(mq_channels *c, mq_value *v, uint64_t *n_atoms, mq_error *err)
{
    const mq_tensor *t = mq_value_constant(v, true);
    const mq_type *type = v->type;
    mq_atom_value a = { .value = v, .rank = -1, .axis = (uint32_t)c->axes.n };
    mq_status rc = MQ_OK;

    if (t)
        a.rank = t->n_dims;
    else if (type && type->kind == MQ_TYPE_TENSOR)
        a.rank = type->rank;
    if (!mq_vec_push(&c->values, a))
        return mq_oom(err);
    v->tag = c->values.n;
    for (int i = 0; i < a.rank && rc == MQ_OK; i++)
        rc = add_axis(c, t ? MQ_DIM(t->dims[i]) : type->dims[i], n_atoms, err);
    return rc;
}

static mq_status make_atoms(mq_channels *c, mq_error *err)
{
    const mq_model *m = c->model;
    uint64_t n = 0;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < m->graphs.n; i++)
        for (size_t k = 0; k < m->graphs.items[i]->values.n; k++)
            m->graphs.items[i]->values.items[k]->tag = 0;
    for (size_t i = 0; i < m->graph->values.n && rc == MQ_OK; i++)
        rc = add_value(c, m->graph->values.items[i], &n, err);
    if (rc != MQ_OK)
        return rc;
    c->n_atoms = (uint32_t)n;
    c->parent = malloc((n + 1) * sizeof *c->parent);
    c->stop = calloc(n + 1, sizeof *c->stop);
    c->flags = calloc(n + 1, sizeof *c->flags);
    if (!c->parent || !c->stop || !c->flags)
        return mq_oom(err);
    for (uint32_t i = 0; i < c->n_atoms; i++)
        c->parent[i] = i;
    return MQ_OK;
}

/* Inputs and outputs are the caller's; so is what inner graphs read. */
static void fix_edges(mq_channels *c)
{
    const mq_graph *g = c->model->graph;

    for (size_t i = 0; i < g->values.n; i++) {
        const mq_value *v = g->values.items[i];

        if (v->is_input)
            mq_atoms_fix_value(c, v, NULL, "is an input of the model");
        else if (v->n_output_uses)
            mq_atoms_fix_value(c, v, NULL, "is an output of the model");
        if (v->sparse)
            mq_atoms_fix_value(c, v, NULL, "is a sparse initializer");
        if (v->init && mq_dtype_bits(v->init->dtype) % 8)
            mq_atoms_fix_value(c, v, NULL, "packs several elements into a byte");
        for (size_t u = 0; u < v->uses.n; u++)
            if (v->uses.items[u].node->graph != g)
                mq_atoms_fix_value(c, v, v->uses.items[u].node, "reads it in an inner graph");
    }
}

static void mark_born(mq_channels *c)
{
    for (size_t i = 0; i < c->axes.n; i++) {
        const mq_atom_axis *x = &c->axes.items[i];

        for (uint32_t k = 0; x->born && x->first != MQ_NO_ATOM && k < x->n; k++)
            c->flags[mq_atoms_root(c, x->first + k)] |= MQ_ATOMS_BORN;
    }
}

/* ---- groups --------------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
    return x ^ (x >> 32);
}

/* Which channel of which group a root is. */
typedef struct placing {
    uint64_t *shape;    /* per root: what it touches, as a sum over its atoms */
    uint32_t *group;    /* per root; UINT32_MAX: none */
    int32_t *channel;
    MQ_VEC(uint64_t) shapes; /* per group */
} placing;

static bool is_channel(const mq_channels *c, uint32_t root)
{
    return (c->flags[root] & (MQ_ATOMS_BORN | MQ_ATOMS_FIXED)) == MQ_ATOMS_BORN;
}

static mq_status place_root(mq_channels *c, placing *p, uint32_t root, const mq_node *born, mq_error *err)
{
    const uint8_t flags = c->flags[root];
    mq_channel_group *g;
    size_t i = 0;

    if (p->group[root] != UINT32_MAX)
        return MQ_OK;
    while (i < p->shapes.n && p->shapes.items[i] != p->shape[root])
        i++;
    if (i == p->shapes.n) {
        const mq_channel_group made = { .name = mq_node_label(born), .mixes = flags & MQ_ATOMS_MIX,
                                        .heads = flags & MQ_ATOMS_HEADS };

        if (!mq_vec_push(&p->shapes, p->shape[root]) || !mq_vec_push(&c->groups, made))
            return mq_oom(err);
    }
    g = &c->groups.items[i];
    p->group[root] = (uint32_t)i;
    p->channel[root] = (int32_t)g->n++;
    return MQ_OK;
}

/* Channels of born axes get their places; those that cannot go are told once per node and reason. */
static mq_status place_axis(mq_channels *c, placing *p, const mq_atom_axis *x, mq_error *err)
{
    mq_channel_stop *told = NULL;
    const mq_atom_stop *before = NULL;
    mq_status rc = MQ_OK;

    for (uint32_t k = 0; x->born && x->first != MQ_NO_ATOM && k < x->n && rc == MQ_OK; k++) {
        const uint32_t root = mq_atoms_root(c, x->first + k);
        const mq_atom_stop *s;

        if (is_channel(c, root)) {
            rc = place_root(c, p, root, x->born, err);
            continue;
        }
        s = &c->stops.items[c->stop[root]];
        if (s != before) {
            const mq_channel_stop stop = { .weight = mq_node_label(x->born),
                                           .node = s->node ? mq_node_label(s->node) : s->name,
                                           .op_type = s->node ? s->node->op_type : "", .reason = s->reason };

            if (!mq_vec_push(&c->told, stop))
                return mq_oom(err);
            told = &c->told.items[c->told.n - 1];
            before = s;
        }
        told->n++;
    }
    return rc;
}

static mq_status fill_axis(mq_channels *c, const placing *p, const mq_atom_value *v, int axis, size_t group, mq_error *err)
{
    const mq_atom_axis *x = &c->axes.items[v->axis + (uint32_t)axis];
    mq_channel_group *g = &c->groups.items[group];
    int32_t *channel = mq_arena_alloc(c->arena, x->n * sizeof *channel);
    mq_channel_axis *axes = mq_arena_grow(c->arena, (void *)(uintptr_t)g->axes, g->n_axes, g->n_axes + 1, sizeof *axes);

    if (!channel || !axes)
        return mq_oom(err);
    for (uint32_t k = 0; k < x->n; k++) {
        const uint32_t root = mq_atoms_root(c, x->first + k);

        channel[k] = p->group[root] == group ? p->channel[root] : -1;
    }
    axes[g->n_axes++] = (mq_channel_axis){ v->value, axis, x->born, channel, x->n };
    g->axes = axes;
    return MQ_OK;
}

static mq_status fill_value(mq_channels *c, const placing *p, const mq_atom_value *v, mq_error *err)
{
    for (int axis = 0; axis < v->rank; axis++) {
        const mq_atom_axis *x = &c->axes.items[v->axis + (uint32_t)axis];

        for (uint32_t k = 0; x->first != MQ_NO_ATOM && k < x->n; k++) {
            const uint32_t group = p->group[mq_atoms_root(c, x->first + k)];
            const mq_channel_group *g = group == UINT32_MAX ? NULL : &c->groups.items[group];
            const mq_channel_axis *last = g && g->n_axes ? &g->axes[g->n_axes - 1] : NULL;

            if (g && !(last && last->value == v->value && last->axis == axis)) {
                const mq_status rc = fill_axis(c, p, v, axis, group, err);

                if (rc != MQ_OK)
                    return rc;
            }
        }
    }
    return MQ_OK;
}

/* Two channels of a group touch the same axes equally often. */
static void add_shapes(const mq_channels *c, placing *p)
{
    for (size_t i = 0; i < c->axes.n; i++) {
        const mq_atom_axis *x = &c->axes.items[i];

        for (uint32_t k = 0; x->first != MQ_NO_ATOM && k < x->n; k++)
            p->shape[mq_atoms_root(c, x->first + k)] += mix(i + 1);
    }
}

static mq_status place(mq_channels *c, placing *p, mq_error *err)
{
    mq_status rc = MQ_OK;

    p->shape = calloc((size_t)c->n_atoms + 1, sizeof *p->shape);
    p->group = malloc(((size_t)c->n_atoms + 1) * sizeof *p->group);
    p->channel = calloc((size_t)c->n_atoms + 1, sizeof *p->channel);
    if (!p->shape || !p->group || !p->channel)
        return mq_oom(err);
    memset(p->group, 0xff, ((size_t)c->n_atoms + 1) * sizeof *p->group);
    add_shapes(c, p);
    for (size_t i = 0; i < c->axes.n && rc == MQ_OK; i++)
        rc = place_axis(c, p, &c->axes.items[i], err);
    for (size_t i = 0; i < c->values.n && rc == MQ_OK; i++)
        rc = fill_value(c, p, &c->values.items[i], err);
    return rc;
}

static void find_heads(mq_channels *c)
{
    for (size_t i = 0; i < c->folds.n; i++) {
        const mq_atom_fold *f = &c->folds.items[i];
        bool inner = false;

        for (int k = 0; k < f->n_deep; k++) {
            const uint32_t atom = mq_atoms_at(c, f->deep, f->deep_axis + k, 0);

            inner |= atom != MQ_NO_ATOM && c->flags[mq_atoms_root(c, atom)] & MQ_ATOMS_INNER;
        }
        for (size_t g = 0; inner && g < c->groups.n; g++)
            for (size_t k = 0; k < c->groups.items[g].n_axes; k++)
                if (c->groups.items[g].axes[k].value == f->flat && c->groups.items[g].axes[k].axis == f->flat_axis)
                    c->groups.items[g].heads = true;
    }
}

static mq_status find(mq_channels *c, mq_error *err)
{
    placing p = { .shape = NULL };
    mq_status rc = make_atoms(c, err);

    if (rc != MQ_OK)
        return rc;
    fix_edges(c);
    for (const mq_node *n = c->model->graph->first; n; n = n->next)
        mq_channels_rule(c, n);
    mq_channels_unfold(c);
    mark_born(c);
    rc = c->failed ? mq_oom(err) : place(c, &p, err);
    if (rc == MQ_OK)
        find_heads(c);
    free(p.shape);
    free(p.group);
    free(p.channel);
    mq_vec_release(&p.shapes);
    return rc;
}

mq_status mq_channels_find(mq_channels **out, mq_model *m, mq_error *err)
{
    mq_channels *c = calloc(1, sizeof *c);
    mq_status rc = MQ_OK;

    if (!c || !(c->arena = mq_arena_create())) {
        free(c);
        return mq_oom(err);
    }
    c->model = m;
    if (m->graph)
        rc = find(c, err);
    if (rc == MQ_OK)
        *out = c;
    else
        mq_channels_free(c);
    return rc;
}

void mq_channels_free(mq_channels *c)
{
    if (!c)
        return;
    mq_vec_release(&c->values);
    mq_vec_release(&c->axes);
    mq_vec_release(&c->stops);
    mq_vec_release(&c->folds);
    mq_vec_release(&c->groups);
    mq_vec_release(&c->told);
    free(c->parent);
    free(c->stop);
    free(c->flags);
    mq_arena_free(c->arena);
    free(c);
}

size_t mq_channels_n_groups(const mq_channels *c)
{
    return c->groups.n;
}

const mq_channel_group *mq_channels_group(const mq_channels *c, size_t i)
{
    return &c->groups.items[i];
}

const mq_channel_stop *mq_channels_stops(const mq_channels *c, size_t *n)
{
    *n = c->told.n;
    return c->told.items;
}

/* ---- importance ----------------------------------------------------------------------------------------------------- */

static mq_status add_norms(const mq_channel_axis *a, mq_tensor *t, int p, double *out, mq_error *err)
{
    uint64_t outer = 1, inner = 1;
    float *row;
    mq_status rc = MQ_OK;

    for (int i = 0; i < t->n_dims; i++)
        *(i < a->axis ? &outer : &inner) *= i == a->axis ? 1 : (uint64_t)t->dims[i];
    row = malloc((inner + 1) * sizeof *row);
    if (!row)
        return mq_oom(err);
    for (uint64_t i = 0; i < outer * a->n && rc == MQ_OK; i++) {
        const int32_t channel = a->channel[i % a->n];
        double sum = 0;

        if (channel < 0)
            continue;
        rc = mq_tensor_read_f32(t, i * inner, inner, row, err);
        for (uint64_t k = 0; rc == MQ_OK && k < inner; k++)
            sum += p == 1 ? fabs((double)row[k]) : (double)row[k] * row[k];
        out[channel] += sum;
    }
    free(row);
    return rc;
}

mq_tensor *mq_channels_weight(const mq_channel_axis *a)
{
    mq_tensor *t = a->born ? mq_value_constant(a->value, true) : NULL;

    return t && t->n_dims >= 2 && mq_dtype_is_float(t->dtype) && mq_tensor_count(t) > 0 ? t : NULL;
}

mq_status mq_channels_norms(const mq_channels *c, size_t group, int p, double *out, mq_error *err)
{
    const mq_channel_group *g = &c->groups.items[group];
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->n; i++)
        out[i] = 0;
    for (size_t i = 0; i < g->n_axes && rc == MQ_OK; i++) {
        const mq_channel_axis *a = &g->axes[i];
        mq_tensor *t = mq_channels_weight(a);

        if (t)
            rc = add_norms(a, t, p, out, err);
    }
    for (size_t i = 0; p == 2 && i < g->n; i++)
        out[i] = sqrt(out[i]);
    return rc;
}
