/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Inputs and outputs in other types and layouts, and arithmetic on pixels built into the graph: nodes between the edge,
 * which keeps its name, and what the model computes with. Nodes behind an input are put in from the inside out. */
#include <string.h>

#include "base/pattern.h"
#include "convert/convert.h"
#include "data/preprocess_spec.h"

/* ---- nodes at the edge --------------------------------------------------------------------------------------------- */

/* A node between input v and everybody who reads it; v's type is then the caller's to change. */
static mq_status behind_input(mq_value *v, const char *op, mq_node **node, mq_error *err)
{
    mq_model *m = v->graph->model;
    mq_value *inner = mq_value_create_unique(m->graph, v->name);
    mq_node *n = inner ? mq_node_create(m->graph, m->graph->first, "", op, mq_unique_node_name(m, inner->name)) : NULL;
    mq_status rc = n ? MQ_OK : mq_oom(err);

    while (rc == MQ_OK && v->uses.n)
        rc = mq_use_redirect(v->uses.items[0], inner, err);
    if (rc == MQ_OK)
        rc = mq_node_set_input(n, 0, v, err);
    *node = n;
    return rc == MQ_OK ? mq_node_set_output(n, 0, inner, err) : rc;
}

/* A node between what makes output v, which now makes a new value that everybody reads, and v. */
static mq_status before_output(mq_value *v, const char *op, mq_node **node, mq_error *err)
{
    mq_model *m = v->graph->model;
    mq_node *p = v->producer, *n;
    const size_t index = v->producer_index;
    mq_value *made = mq_value_create_unique(m->graph, v->name);
    mq_status rc = MQ_OK;

    if (!made || !(n = mq_node_create(m->graph, p->next, "", op, mq_unique_node_name(m, made->name))))
        return mq_oom(err);
    MQ_TRY(mq_node_set_output(p, index, NULL, err));
    MQ_TRY(mq_node_set_output(p, index, made, err));
    while (v->uses.n)
        MQ_TRY(mq_use_redirect(v->uses.items[0], made, err));
    MQ_TRY(mq_node_set_input(n, 0, made, err));
    MQ_TRY(mq_node_set_output(n, 0, v, err));
    *node = n;
done:
    return rc;
}

static bool is_tensor(const mq_value *v)
{
    return v->declared && v->declared->kind == MQ_TYPE_TENSOR && v->declared->dtype != MQ_UNDEFINED;
}

static mq_status declare(mq_value *v, mq_dtype dtype, const mq_dim *dims, mq_error *err)
{
    v->declared = mq_type_create(v->graph->model, MQ_TYPE_TENSOR, dtype, v->declared->rank, dims);
    v->redeclared = true;
    return v->declared ? MQ_OK : mq_oom(err);
}

/* The input or output of that name; an input that is an output as well, or has a default, stays as it is. */
static mq_status find_edge(const mq_model *m, const char *option, const char *name, size_t n, mq_value **out, mq_error *err)
{
    const mq_value_vec *lists[] = { &m->graph->inputs, &m->graph->outputs };
    const char **names = mq_arena_calloc(m->arena, lists[0]->n + lists[1]->n + 1, sizeof *names);
    char *wanted = mq_arena_memdup(m->arena, name, n + 1), near[300];
    size_t count = 0;

    if (!names || !wanted)
        return mq_oom(err);
    wanted[n] = '\0';
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < lists[k]->n; i++) {
            mq_value *v = lists[k]->items[i];

            names[count++] = v->name;
            if (strcmp(v->name, wanted) != 0)
                continue;
            if (!is_tensor(v) || v->init || (k == 1 && (v->is_input || !v->producer || v->graph != m->graph)))
                return mq_fail(err, MQ_ERR_UNSUPPORTED, "%s: '%s' cannot change: it is no tensor that is fed or made",
                               option, wanted);
            *out = v;
            return MQ_OK;
        }
    mq_suggest(near, sizeof near, wanted, names, count);
    return mq_fail(err, MQ_ERR_USAGE, "%s: the model has no input or output '%s'%s", option, wanted, near);
}

/* ---- types --------------------------------------------------------------------------------------------------------- */

static mq_status retype(mq_value *v, mq_dtype to, mq_error *err)
{
    const mq_dtype have = v->declared->dtype;
    mq_node *cast = NULL;
    mq_status rc = MQ_OK;

    if (have == to)
        return MQ_OK;
    MQ_TRY(v->is_input ? behind_input(v, "Cast", &cast, err) : before_output(v, "Cast", &cast, err));
    MQ_TRY(mq_node_set_attr_int(cast, "to", (int64_t)(v->is_input ? have : to), err));
    rc = declare(v, to, v->declared->dims, err);
done:
    return rc;
}

/* Without a name: every edge of that kind. */
static mq_status retype_all(mq_model *m, mq_dtype to, mq_error *err)
{
    const mq_value_vec *lists[] = { &m->graph->inputs, &m->graph->outputs };
    size_t n = 0;
    mq_status rc = MQ_OK;

    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < lists[k]->n && rc == MQ_OK; i++) {
            mq_value *v = lists[k]->items[i];

            if (!is_tensor(v) || v->init || (k == 1 && (v->is_input || !v->producer || v->graph != m->graph)))
                continue;
            if (mq_dtype_is_float(to) ? !mq_dtype_is_float(v->declared->dtype) : !mq_dtype_is_integer(v->declared->dtype))
                continue;
            n++;
            rc = retype(v, to, err);
        }
    if (rc == MQ_OK && !n)
        rc = mq_fail(err, MQ_ERR_USAGE, "--io-type %s: no input or output is of %s: NAME=TYPE changes one of another kind",
                     mq_dtype_name(to), mq_dtype_is_float(to) ? "floats" : "integers");
    return rc;
}

mq_status mq_convert_io_types(mq_model *m, const char *const *items, size_t n, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        const char *eq = strrchr(items[i], '='), *word = eq ? eq + 1 : items[i];
        const mq_dtype to = mq_dtype_from_name(word);
        mq_value *v = NULL;

        if (to != MQ_FLOAT && to != MQ_FLOAT16 && to != MQ_INT8 && to != MQ_UINT8 && to != MQ_INT32 && to != MQ_INT64)
            return mq_fail(err, MQ_ERR_USAGE, "--io-type takes [NAME=]float, fp16, int8, uint8, int32 or int64, not '%s'",
                           items[i]);
        if (!eq)
            rc = retype_all(m, to, err);
        else if ((rc = find_edge(m, "--io-type", items[i], (size_t)(eq - items[i]), &v, err)) == MQ_OK)
            rc = retype(v, to, err);
    }
    return rc;
}

/* ---- layouts ------------------------------------------------------------------------------------------------------- */

/* From channels second to channels last, and back. */
static void make_perm(int rank, bool to_last, int64_t *perm)
{
    perm[0] = 0;
    for (int i = 1; i < rank; i++)
        perm[i] = to_last ? (i == rank - 1 ? 1 : i + 1) : (i == 1 ? rank - 1 : i - 1);
}

static mq_status relayout(mq_value *v, bool to_last, mq_error *err)
{
    const int rank = v->declared->rank;
    int64_t outside[5], perm[5];
    mq_dim dims[5];
    mq_node *n = NULL;
    mq_status rc = MQ_OK;

    if (rank < 3 || rank > 5)
        return mq_fail(err, MQ_ERR_USAGE, "--io-layout: '%s' has %d axes: 3 to 5 have a layout", v->name, rank);
    make_perm(rank, to_last, outside);
    make_perm(rank, v->is_input ? !to_last : to_last, perm);
    for (int i = 0; i < rank; i++)
        dims[i] = v->declared->dims[outside[i]];
    MQ_TRY(v->is_input ? behind_input(v, "Transpose", &n, err) : before_output(v, "Transpose", &n, err));
    MQ_TRY(mq_node_set_attr_ints(n, "perm", perm, (size_t)rank, err));
    rc = declare(v, v->declared->dtype, dims, err);
done:
    return rc;
}

mq_status mq_convert_io_layouts(mq_model *m, const char *const *items, size_t n, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        const char *eq = strrchr(items[i], '=');
        mq_value *v = NULL;

        if (!eq || (strcmp(eq + 1, "nchw") != 0 && strcmp(eq + 1, "nhwc") != 0))
            return mq_fail(err, MQ_ERR_USAGE, "--io-layout takes NAME=nchw or NAME=nhwc, not '%s'", items[i]);
        if ((rc = find_edge(m, "--io-layout", items[i], (size_t)(eq - items[i]), &v, err)) == MQ_OK)
            rc = relayout(v, strcmp(eq + 1, "nhwc") == 0, err);
    }
    return rc;
}

/* ---- pixels -------------------------------------------------------------------------------------------------------- */

static mq_status add_constant(mq_node *n, const char *base, mq_dtype dtype, int rank, const int64_t *dims, const void *data,
                              mq_error *err)
{
    mq_value *c = mq_value_create_unique(n->graph, base);
    mq_tensor *t = c ? mq_tensor_create(n->graph->model, c->name, dtype, rank, dims, data) : NULL;
    mq_status rc = t ? mq_value_set_init(c, t, err) : mq_oom(err);

    return rc == MQ_OK ? mq_node_set_input(n, 1, c, err) : rc;
}

/* v = v `op` the numbers, one per channel or one for all. */
static mq_status arithmetic(mq_value *v, const char *op, const mq_pipeline *p, const float *x, int n, float idle,
                            mq_error *err)
{
    const int64_t dims[3] = { n, 1, 1 };
    bool same = true;
    mq_node *node = NULL;
    mq_status rc = MQ_OK;

    for (int i = 0; i < n; i++)
        same &= x[i] == idle;
    if (same)
        return MQ_OK;
    MQ_TRY(behind_input(v, op, &node, err));
    rc = add_constant(node, op, MQ_FLOAT, n == 1 ? 0 : p->layout == MQ_LAYOUT_NCHW ? 3 : 1, dims, x, err);
done:
    return rc;
}

static mq_status reverse_channels(mq_value *v, const mq_pipeline *p, mq_error *err)
{
    const int64_t order[3] = { 2, 1, 0 }, count = 3;
    mq_node *n = NULL;
    mq_status rc = MQ_OK;

    if (p->order == MQ_ORDER_RGB)
        return MQ_OK;
    if (p->order != MQ_ORDER_BGR || p->channels != 3)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "--embed-preprocess: order is rgb or bgr of 3 channels here");
    MQ_TRY(behind_input(v, "Gather", &n, err));
    MQ_TRY(mq_node_set_attr_int(n, "axis", p->layout == MQ_LAYOUT_NCHW ? 1 : 3, err));
    rc = add_constant(n, "channels", MQ_INT64, 1, &count, order, err);
done:
    return rc;
}

static mq_status check_pixels(const mq_value *v, const mq_pipeline *p, mq_error *err)
{
    if (p->fit != MQ_FIT_NONE || p->crop)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "--embed-preprocess: resize, letterbox and crop are not built in: scale, "
                       "mean, std, order and layout are");
    if (v->declared->rank != 4 || (v->declared->dtype != MQ_FLOAT && v->declared->dtype != MQ_FLOAT16))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "--embed-preprocess: input '%s' is no float tensor of 4 axes", v->name);
    return MQ_OK;
}

/* From the inside out: division, mean, scale, type, order of channels, layout. */
static mq_status embed(mq_value *v, const mq_pipeline *p, mq_error *err)
{
    const float scale = (float)(p->multiply / p->divide);
    const mq_dtype inside = v->declared->dtype;
    mq_node *cast = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(check_pixels(v, p, err));
    if (inside != MQ_FLOAT) {
        MQ_TRY(behind_input(v, "Cast", &cast, err));
        MQ_TRY(mq_node_set_attr_int(cast, "to", (int64_t)inside, err));
    }
    MQ_TRY(arithmetic(v, "Div", p, p->std, p->n_std, 1, err));
    MQ_TRY(arithmetic(v, "Sub", p, p->mean, p->n_mean, 0, err));
    MQ_TRY(arithmetic(v, "Mul", p, &scale, 1, 1, err));
    MQ_TRY(behind_input(v, "Cast", &cast, err));
    MQ_TRY(mq_node_set_attr_int(cast, "to", MQ_FLOAT, err));
    MQ_TRY(declare(v, MQ_UINT8, v->declared->dims, err));
    MQ_TRY(reverse_channels(v, p, err));
    if (p->layout == MQ_LAYOUT_NCHW && p->from != MQ_LAYOUT_NCHW) /* pixels lie with their channels together */
        rc = relayout(v, true, err);
done:
    return rc;
}

static mq_status only_input(const mq_model *m, mq_value **out, mq_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < m->graph->inputs.n; i++) {
        if (m->graph->inputs.items[i]->init)
            continue;
        if (*out)
            return mq_fail(err, MQ_ERR_USAGE, "--embed-preprocess: the model has several inputs: say which with input=NAME");
        *out = m->graph->inputs.items[i];
    }
    return *out ? MQ_OK : mq_fail(err, MQ_ERR_UNSUPPORTED, "--embed-preprocess: the model has no input");
}

mq_status mq_convert_pixels(mq_model *m, const char *const *specs, size_t n, const mq_hooks *hooks, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        mq_pipeline *p = NULL;
        mq_value *v = NULL;

        rc = mq_pipeline_parse(&p, specs[i], hooks, err);
        if (rc == MQ_OK && *mq_pipeline_input(p))
            rc = find_edge(m, "--embed-preprocess", mq_pipeline_input(p), strlen(mq_pipeline_input(p)), &v, err);
        else if (rc == MQ_OK)
            rc = only_input(m, &v, err);
        if (rc == MQ_OK && !v->is_input)
            rc = mq_fail(err, MQ_ERR_USAGE, "--embed-preprocess: '%s' is no input", v->name);
        if (rc == MQ_OK)
            rc = mq_pipeline_bind(p, v, err);
        if (rc == MQ_OK)
            rc = embed(v, p, err);
        mq_pipeline_free(p);
    }
    return rc;
}
