/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators that run graphs: If, Loop, Scan, SequenceMap. Carried values may be anything, sequences and optionals too;
 * only what is stacked must be tensors. A body's values are those of its own call: nothing is kept from one turn to
 * the next but what it carries. */
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "exec/ref/util.h"

typedef MQ_VEC(mq_array *) array_list;

/* A body that runs again and again: what goes in, what came out, and the lists that its scan outputs grow. */
typedef struct turns {
    mq_call *c;
    const mq_graph *g;
    mq_array **in, **out;
    size_t n_in, n_out, n_state, n_lists;
    array_list *lists;
} turns;

static mq_status body_of(mq_call *c, const char *name, const mq_graph **g)
{
    const mq_attr *a = mq_node_attr(c->node, name);

    if (!a || a->type != MQ_ATTR_GRAPH || a->n != 1)
        return mq_call_fail(c, "attribute '%s' is missing, it must be a graph", name);
    *g = a->graphs[0];
    return MQ_OK;
}

/* A reference to input i: inner graphs only read what they are given. */
static mq_array *ref_input(const mq_call *c, size_t i)
{
    return mq_array_ref((mq_array *)c->in[i]);
}

static void drop_all(mq_array **a, size_t n)
{
    for (size_t i = 0; a && i < n; i++) {
        mq_array_unref(a[i]);
        a[i] = NULL;
    }
}

static mq_status turns_init(turns *t, mq_call *c, const mq_graph *g, size_t n_state, size_t n_lists)
{
    *t = (turns){ .c = c, .g = g, .n_in = g->inputs.n, .n_out = g->outputs.n, .n_state = n_state, .n_lists = n_lists };
    t->in = calloc(t->n_in + 1, sizeof *t->in);
    t->out = calloc(t->n_out + 1, sizeof *t->out);
    t->lists = calloc(n_lists + 1, sizeof *t->lists);
    return t->in && t->out && t->lists ? MQ_OK : mq_oom(c->err);
}

static void turns_release(turns *t)
{
    drop_all(t->in, t->n_in);
    drop_all(t->out, t->n_out);
    for (size_t i = 0; t->lists && i < t->n_lists; i++) {
        drop_all(t->lists[i].items, t->lists[i].n);
        mq_vec_release(&t->lists[i]);
    }
    free(t->in);
    free(t->out);
    free(t->lists);
}

/* One turn. State comes out from output out_at on and goes in again from input in_at on; the rest is scan outputs. */
static mq_status turns_step(turns *t, size_t in_at, size_t out_at)
{
    mq_status rc = MQ_OK;

    drop_all(t->out, t->n_out);
    MQ_TRY(mq_call_graph(t->c, t->g, t->n_in, t->in, t->n_out, t->out));
    for (size_t i = 0; i < t->n_state; i++) {
        mq_array_unref(t->in[in_at + i]);
        t->in[in_at + i] = t->out[out_at + i];
        t->out[out_at + i] = NULL;
    }
    for (size_t i = 0; i < t->n_lists; i++) {
        mq_array **item = &t->out[out_at + t->n_state + i];

        if (!mq_call_wants(t->c, t->n_state + i))
            continue;
        if (!mq_vec_push(&t->lists[i], *item))
            return mq_oom(t->c->err);
        *item = NULL;
    }
done:
    return rc;
}

/* ---- stacking ----------------------------------------------------------------------------------------------------- */

static bool same_shape(const mq_array *a, const mq_array *b)
{
    return a->kind == MQ_TYPE_TENSOR && b->kind == MQ_TYPE_TENSOR && a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

/* Item `at` of n into its place in out: `outer` pieces of `inner` bytes. */
static mq_status place(mq_call *c, mq_array *out, const mq_array *item, int64_t at, int64_t n, int64_t outer, size_t inner)
{
    mq_array *plain = NULL;
    mq_status rc = mq_array_unpack(&plain, item, c->err);

    for (int64_t o = 0; rc == MQ_OK && inner > 0 && o < outer; o++)
        memcpy((char *)out->data + (size_t)(o * n + at) * inner, (const char *)plain->data + (size_t)o * inner, inner);
    mq_array_unref(plain);
    return rc;
}

/* Output i: the items one behind the other along a new axis. Types under 8 bits are put together one to a byte. */
static mq_status stack(mq_call *c, size_t i, const array_list *v, int64_t axis_attr, bool backwards)
{
    const mq_array *first = v->items[0];
    const bool small = mq_dtype_bits(first->dtype) > 0 && mq_dtype_bits(first->dtype) < 8;
    const int64_t n = (int64_t)v->n;
    mq_array *out = NULL, *packed = NULL;
    int64_t dims[MQ_MAX_RANK];
    mq_status rc = MQ_OK;
    int axis;

    if (first->kind != MQ_TYPE_TENSOR || first->rank >= MQ_MAX_RANK)
        return mq_call_fail(c, "scan output %zu is no tensor of at most %d dims", i, MQ_MAX_RANK - 1);
    MQ_TRY(mq_call_axis(c, axis_attr, first->rank + 1, &axis));
    memcpy(dims, first->dims, (size_t)axis * sizeof *dims);
    dims[axis] = n;
    memcpy(dims + axis + 1, first->dims + axis, (size_t)(first->rank - axis) * sizeof *dims);
    MQ_TRY(mq_array_create(&out, small ? MQ_UINT8 : first->dtype, first->rank + 1, dims, c->err));
    for (int64_t k = 0; k < n; k++) {
        const mq_array *item = v->items[k];

        if (!same_shape(first, item)) {
            rc = mq_call_fail(c, "scan output %zu changes its type or shape in turn %lld", i, (long long)k);
            goto done;
        }
        MQ_TRY(place(c, out, item, backwards ? n - 1 - k : k, n, mq_span(dims, 0, axis),
                     (size_t)mq_span(first->dims, axis, first->rank) * mq_array_elem_size(out)));
    }
    if (small) {
        out->dtype = first->dtype;
        out->codes = true;
        MQ_TRY(mq_array_pack(&packed, out, c->err));
    }
    rc = mq_call_out_array(c, i, mq_array_ref(small ? packed : out));
done:
    mq_array_unref(out);
    mq_array_unref(packed);
    return rc;
}

/* Output i when there was no turn: no items, of the shape that is known for one; what is not known of it counts as 0. */
static mq_status stack_nothing(mq_call *c, size_t i, const mq_value *item, int64_t axis_attr)
{
    const mq_type *t = item->type ? item->type : item->declared;
    const int rank = t && t->rank > 0 ? t->rank : 0;
    int64_t dims[MQ_MAX_RANK];
    mq_status rc = MQ_OK;
    int axis;

    if (!mq_call_wants(c, i))
        return MQ_OK;
    if (!t || t->kind != MQ_TYPE_TENSOR || t->dtype == MQ_UNDEFINED || rank >= MQ_MAX_RANK)
        return mq_call_fail(c, "no turn was taken, and the type of scan output %zu is not known", i);
    MQ_TRY(mq_call_axis(c, t->rank < 0 ? 0 : axis_attr, rank + 1, &axis));
    for (int k = 0; k <= rank; k++) {
        const mq_dim d = k == axis ? MQ_DIM(0) : t->dims[k - (k > axis)];

        dims[k] = d.value > 0 ? d.value : 0;
    }
    rc = mq_call_out(c, i, t->dtype, rank + 1, dims, NULL);
done:
    return rc;
}

/* Hands out the final state, then the stacks. */
static mq_status turns_finish(turns *t, size_t in_at, size_t out_at, const int64_t *axes, const int64_t *backwards)
{
    mq_call *c = t->c;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < t->n_state; i++)
        if (mq_call_wants(c, i))
            MQ_TRY(mq_call_out_array(c, i, mq_array_ref(t->in[in_at + i])));
    for (size_t i = 0; i < t->n_lists; i++) {
        const int64_t axis = axes ? axes[i] : 0;

        if (t->lists[i].n)
            MQ_TRY(stack(c, t->n_state + i, &t->lists[i], axis, backwards && backwards[i]));
        else
            MQ_TRY(stack_nothing(c, t->n_state + i, t->g->outputs.items[out_at + t->n_state + i], axis));
    }
done:
    return rc;
}

/* ---- If ----------------------------------------------------------------------------------------------------------- */

/* The one truth value that a holds. */
static mq_status truth(mq_call *c, const mq_array *a, const char *what, bool *out)
{
    if (!a || a->kind != MQ_TYPE_TENSOR || a->dtype != MQ_BOOL || a->count != 1)
        return mq_call_fail(c, "%s must be a bool tensor of one element", what);
    *out = *(const uint8_t *)a->data != 0;
    return MQ_OK;
}

static mq_status op_if(mq_call *c)
{
    mq_array **out = NULL;
    const mq_graph *g = NULL;
    mq_status rc = MQ_OK;
    size_t n = 0;
    bool yes = false;

    MQ_TRY(truth(c, mq_call_has(c, 0) ? c->in[0] : NULL, "the condition", &yes));
    MQ_TRY(body_of(c, yes ? "then_branch" : "else_branch", &g));
    n = g->outputs.n;
    if (g->inputs.n != 0 || n < c->n_out)
        return mq_call_fail(c, "the branch taken has %zu inputs and %zu outputs, it must have 0 and %zu", g->inputs.n, n,
                            c->n_out);
    out = calloc(n + 1, sizeof *out);
    if (!out)
        return mq_oom(c->err);
    MQ_TRY(mq_call_graph(c, g, 0, NULL, n, out));
    for (size_t i = 0; i < c->n_out; i++)
        if (mq_call_wants(c, i))
            MQ_TRY(mq_call_out_array(c, i, mq_array_ref(out[i])));
done:
    drop_all(out, n);
    free(out);
    return rc;
}

/* ---- Loop --------------------------------------------------------------------------------------------------------- */

/* Scalar input `at` of the body, made anew: a body may hand its input on. */
static mq_status set_scalar(turns *t, size_t at, mq_dtype dtype, const void *value, size_t size)
{
    mq_array *a = NULL;
    mq_status rc = mq_array_create(&a, dtype, 0, NULL, t->c->err);

    if (rc != MQ_OK)
        return rc;
    memcpy(a->data, value, size);
    mq_array_unref(t->in[at]);
    t->in[at] = a;
    return MQ_OK;
}

/* Nothing but the count ends this loop: a stack that can never be held is told before the first turn, not after years. */
static mq_status make_room(turns *t, int64_t trips)
{
    for (size_t i = 0; i < t->n_lists && trips > 0; i++) {
        mq_array **items = NULL;

        if (!mq_call_wants(t->c, t->n_state + i))
            continue;
        if (trips <= PTRDIFF_MAX / (int64_t)sizeof *items)
            items = malloc((size_t)trips * sizeof *items);
        if (!items)
            return mq_call_fail(t->c, "scan output %zu of %lld turns does not fit into memory", i, (long long)trips);
        t->lists[i].items = items;
        t->lists[i].cap = (size_t)trips;
    }
    return MQ_OK;
}

static mq_status loop_turns(turns *t, bool has_trips, int64_t trips, bool has_cond, bool cond)
{
    mq_status rc = MQ_OK;

    if (!has_cond && cond)
        MQ_TRY(make_room(t, trips));
    for (int64_t i = 0; cond && (!has_trips || i < trips); i++) {
        const uint8_t flag = cond;

        MQ_TRY(set_scalar(t, 0, MQ_INT64, &i, sizeof i));
        MQ_TRY(set_scalar(t, 1, MQ_BOOL, &flag, sizeof flag));
        MQ_TRY(turns_step(t, 2, 1));
        if (has_cond)
            MQ_TRY(truth(t->c, t->out[0], "the body's condition", &cond));
    }
done:
    return rc;
}

static mq_status op_loop(mq_call *c)
{
    const size_t n_state = c->n_in > 2 ? c->n_in - 2 : 0;
    const bool has_trips = mq_call_has(c, 0), has_cond = mq_call_has(c, 1);
    turns t = { 0 };
    const mq_graph *g = NULL;
    bool cond = true;
    mq_status rc = MQ_OK;

    MQ_TRY(body_of(c, "body", &g));
    if (g->inputs.n != n_state + 2 || g->outputs.n < n_state + 1 || c->n_out > g->outputs.n - 1)
        return mq_call_fail(c, "the body has %zu inputs and %zu outputs, %zu values are carried and %zu outputs wanted",
                            g->inputs.n, g->outputs.n, n_state, c->n_out);
    if (!has_trips && !has_cond)
        return mq_call_fail(c, "neither a trip count nor a condition is given: it would never end");
    if (has_trips && (c->in[0]->kind != MQ_TYPE_TENSOR || c->in[0]->count != 1))
        return mq_call_fail(c, "the trip count must be a tensor of one element");
    if (has_cond)
        MQ_TRY(truth(c, c->in[1], "the condition", &cond));
    MQ_TRY(turns_init(&t, c, g, n_state, g->outputs.n - 1 - n_state));
    for (size_t i = 0; i < n_state; i++) {
        if (!(t.in[i + 2] = ref_input(c, i + 2))) {
            rc = mq_call_fail(c, "input %zu is missing", i + 2);
            goto done;
        }
    }
    MQ_TRY(loop_turns(&t, has_trips, has_trips ? mq_array_i64(c->in[0], 0) : 0, has_cond, cond));
    rc = turns_finish(&t, 2, 1, NULL, NULL);
done:
    turns_release(&t);
    return rc;
}

/* ---- Scan --------------------------------------------------------------------------------------------------------- */

/* A list attribute with n elements; *out NULL when absent. */
static mq_status list_attr(mq_call *c, const char *name, size_t n, const int64_t **out)
{
    size_t count;

    *out = mq_node_attr_ints(c->node, name, &count);
    if (*out && count != n)
        return mq_call_fail(c, "attribute '%s' has %zu elements, it must have %zu", name, count, n);
    return MQ_OK;
}

/* Element `at` along the axis, as a tensor without that axis. */
static mq_status slice(mq_call *c, const mq_array *a, int axis, int64_t at, mq_array **out)
{
    const int64_t n = a->dims[axis], outer = mq_span(a->dims, 0, axis);
    mq_array *plain = NULL, *part = NULL;
    int64_t dims[MQ_MAX_RANK];
    mq_status rc = MQ_OK;
    size_t inner;

    memcpy(dims, a->dims, (size_t)axis * sizeof *dims);
    memcpy(dims + axis, a->dims + axis + 1, (size_t)(a->rank - axis - 1) * sizeof *dims);
    MQ_TRY(mq_array_unpack(&plain, a, c->err));
    MQ_TRY(mq_array_create(&part, plain->codes ? MQ_UINT8 : a->dtype, a->rank - 1, dims, c->err));
    inner = (size_t)mq_span(a->dims, axis + 1, a->rank) * mq_array_elem_size(plain);
    for (int64_t o = 0; inner > 0 && o < outer; o++)
        memcpy((char *)part->data + (size_t)o * inner, (const char *)plain->data + (size_t)(o * n + at) * inner, inner);
    if (plain->codes) {
        part->dtype = a->dtype;
        part->codes = true;
        MQ_TRY(mq_array_pack(out, part, c->err));
    } else {
        *out = mq_array_ref(part);
    }
done:
    mq_array_unref(plain);
    mq_array_unref(part);
    return rc;
}

/* The axes of the scan inputs and their common length. */
static mq_status scan_length(mq_call *c, size_t n_state, const int64_t *axis_attr, int *axes, int64_t *length)
{
    mq_status rc = MQ_OK;

    *length = 0;
    for (size_t i = 0; i + n_state < c->n_in; i++) {
        const mq_array *a = c->in[n_state + i];

        if (!a || a->kind != MQ_TYPE_TENSOR || a->rank == 0)
            return mq_call_fail(c, "input %zu must be a tensor with an axis to be scanned", n_state + i);
        MQ_TRY(mq_call_axis(c, axis_attr ? axis_attr[i] : 0, a->rank, &axes[i]));
        if (i > 0 && a->dims[axes[i]] != *length)
            return mq_call_fail(c, "input %zu has length %lld along its scanned axis, the first has %lld", n_state + i,
                                (long long)a->dims[axes[i]], (long long)*length);
        *length = a->dims[axes[i]];
    }
done:
    return rc;
}

static mq_status scan_turns(turns *t, const int *axes, const int64_t *backwards, int64_t length)
{
    mq_call *c = t->c;
    mq_status rc = MQ_OK;

    for (int64_t at = 0; at < length; at++) {
        for (size_t i = t->n_state; i < c->n_in; i++) {
            const size_t k = i - t->n_state;

            mq_array_unref(t->in[i]);
            t->in[i] = NULL;
            MQ_TRY(slice(c, c->in[i], axes[k], backwards && backwards[k] ? length - 1 - at : at, &t->in[i]));
        }
        MQ_TRY(turns_step(t, 0, 0));
    }
done:
    return rc;
}

static mq_status op_scan(mq_call *c)
{
    const int64_t n_scans = mq_node_attr_int(c->node, "num_scan_inputs", 0);
    const size_t n_state = n_scans > 0 && (uint64_t)n_scans <= c->n_in ? c->n_in - (size_t)n_scans : c->n_in;
    const int64_t *in_axes, *in_back, *out_axes, *out_back;
    turns t = { 0 };
    const mq_graph *g = NULL;
    int64_t length;
    mq_status rc = MQ_OK;
    int *axes;

    MQ_TRY(body_of(c, "body", &g));
    if (n_state == c->n_in)
        return mq_call_fail(c, "attribute 'num_scan_inputs' is %lld, it must be 1 to %zu", (long long)n_scans, c->n_in);
    if (g->inputs.n != c->n_in || g->outputs.n < n_state || c->n_out > g->outputs.n)
        return mq_call_fail(c, "the body has %zu inputs and %zu outputs, the node %zu and %zu", g->inputs.n, g->outputs.n,
                            c->n_in, c->n_out);
    MQ_TRY(list_attr(c, "scan_input_axes", c->n_in - n_state, &in_axes));
    MQ_TRY(list_attr(c, "scan_input_directions", c->n_in - n_state, &in_back));
    MQ_TRY(list_attr(c, "scan_output_axes", g->outputs.n - n_state, &out_axes));
    MQ_TRY(list_attr(c, "scan_output_directions", g->outputs.n - n_state, &out_back));
    axes = mq_call_scratch(c, (c->n_in - n_state) * sizeof *axes);
    if (!axes)
        return MQ_ERR_NOMEM;
    MQ_TRY(scan_length(c, n_state, in_axes, axes, &length));
    MQ_TRY(turns_init(&t, c, g, n_state, g->outputs.n - n_state));
    for (size_t i = 0; i < n_state; i++) {
        if (!(t.in[i] = ref_input(c, i))) {
            rc = mq_call_fail(c, "input %zu is missing", i);
            goto done;
        }
    }
    MQ_TRY(scan_turns(&t, axes, in_back, length));
    rc = turns_finish(&t, 0, 0, out_axes, out_back);
done:
    turns_release(&t);
    return rc;
}

/* ---- SequenceMap -------------------------------------------------------------------------------------------------- */

/* The body's inputs for item `at`: of sequences that item, tensors as they are. */
static mq_status map_inputs(turns *t, size_t at)
{
    const mq_call *c = t->c;

    for (size_t i = 0; i < c->n_in; i++) {
        const mq_array *a = c->in[i];

        if (a->kind == MQ_TYPE_SEQUENCE && at >= a->n_items)
            return mq_call_fail(t->c, "input %zu has %zu items, the first sequence has %zu", i, a->n_items,
                                c->in[0]->n_items);
        mq_array_unref(t->in[i]);
        t->in[i] = a->kind == MQ_TYPE_SEQUENCE ? mq_array_ref(a->items[at]) : ref_input(c, i);
    }
    return MQ_OK;
}

static mq_status map_outputs(turns *t)
{
    mq_call *c = t->c;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < c->n_out; i++) {
        const array_list *list = &t->lists[i];
        const mq_type *type = t->g->outputs.items[i]->type;
        mq_dtype dtype = type && type->kind == MQ_TYPE_TENSOR ? type->dtype : MQ_UNDEFINED;
        mq_array *a = NULL;

        if (!mq_call_wants(c, i))
            continue;
        if (list->n)
            dtype = list->items[0]->dtype;
        MQ_TRY(mq_array_sequence(&a, dtype, list->n, list->items, c->err));
        MQ_TRY(mq_call_out_array(c, i, a));
    }
done:
    return rc;
}

static mq_status op_sequence_map(mq_call *c)
{
    turns t = { 0 };
    const mq_graph *g = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(body_of(c, "body", &g));
    for (size_t i = 0; i < c->n_in; i++)
        if (!c->in[i] || (c->in[i]->kind != MQ_TYPE_SEQUENCE && (i == 0 || c->in[i]->kind != MQ_TYPE_TENSOR)))
            return mq_call_fail(c, "input %zu must be a sequence%s", i, i ? " or a tensor" : "");
    if (c->n_in == 0 || g->inputs.n != c->n_in || g->outputs.n < c->n_out)
        return mq_call_fail(c, "the body has %zu inputs and %zu outputs, the node %zu and %zu", g->inputs.n, g->outputs.n,
                            c->n_in, c->n_out);
    MQ_TRY(turns_init(&t, c, g, 0, g->outputs.n));
    for (size_t i = 0; i < c->in[0]->n_items; i++) {
        MQ_TRY(map_inputs(&t, i));
        MQ_TRY(turns_step(&t, 0, 0));
    }
    rc = map_outputs(&t);
done:
    turns_release(&t);
    return rc;
}

const mq_kernel mq_kernels_control[] = {
    { "", "If", op_if, 0 },
    { "", "Loop", op_loop, 0 },
    { "", "Scan", op_scan, 0 },
    { "", "SequenceMap", op_sequence_map, 0 },
    { 0 },
};
