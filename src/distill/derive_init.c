/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Fresh weights, by what reads them. Each tensor draws from a stream of its own, so that one more layer changes no other. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "distill/derive.h"

/* Uniform in -bound..bound; with bound 0 all are `value`. */
typedef struct drawing {
    bool any;
    double bound, value;
} drawing;

static drawing uniform(double variance)
{
    return (drawing){ .any = true, .bound = sqrt(3 * variance) };
}

static drawing constant(double value)
{
    return (drawing){ .any = true, .value = value };
}

static bool reads_relu(const mq_node *n)
{
    static const char *const relus[] = { "Relu", "LeakyRelu", "PRelu", "Clip", "Elu", "Gelu" };
    const mq_value *v = n->n_outputs ? n->outputs[0] : NULL;

    for (size_t i = 0; v && i < v->uses.n; i++) {
        const mq_node *reader = v->uses.items[i].node;

        if (mq_node_is_any(reader, "", relus, sizeof relus / sizeof *relus))
            return true;
        if (mq_node_is(reader, "", "Add") && reader->n_outputs && reader->outputs[0]->uses.n == 1 &&
            mq_node_is_any(reader->outputs[0]->uses.items[0].node, "", relus, sizeof relus / sizeof *relus))
            return true;
    }
    return false;
}

/* A weight of n with `in` numbers that go into each output and `out` outputs. */
static drawing draw_product(const mq_node *n, double in, double out)
{
    return uniform(reads_relu(n) ? 2 / in : 2 / (in + out));
}

static drawing draw_matrix(const mq_node *n, size_t index, const mq_tensor *t)
{
    const bool turned = mq_node_is(n, "", "Gemm") && mq_node_attr_int(n, index == 0 ? "transA" : "transB", 0);
    double in, out;

    if (t->n_dims < 2)
        return (drawing){ .any = false };
    in = (double)t->dims[t->n_dims - 2];
    out = (double)t->dims[t->n_dims - 1];
    return (index == 0) == turned ? draw_product(n, in, out) : draw_product(n, out, in);
}

static drawing draw_conv(const mq_node *n, const mq_tensor *t)
{
    double in = mq_node_is(n, "", "ConvTranspose") && t->n_dims > 1 ?
                    (double)t->dims[0] / (double)mq_node_attr_int(n, "group", 1) : 1;

    for (int i = mq_node_is(n, "", "ConvTranspose") ? 2 : 1; i < t->n_dims; i++)
        in *= (double)t->dims[i];
    return uniform(2 / in);
}

/* A row that is added to a product is its bias; one that multiplies it is a scale. */
static drawing draw_row(const mq_node *n, size_t index, const mq_tensor *t)
{
    static const char *const products[] = { "Conv", "ConvTranspose", "MatMul", "Gemm", "Mul", "BatchNormalization" };
    const mq_value *other = n->n_inputs == 2 ? n->inputs[1 - index] : NULL;

    if (!other || !other->producer || mq_tensor_count(t) < 2 ||
        !mq_node_is_any(other->producer, "", products, sizeof products / sizeof *products))
        return (drawing){ .any = false };
    return constant(mq_node_is(n, "", "Mul") ? 1 : 0);
}

static drawing draw_norm(const mq_node *n, size_t index)
{
    const bool batch = mq_node_is(n, "", "BatchNormalization");

    if (index == 0)
        return (drawing){ .any = false };
    return constant(index == 1 || (batch && index == 4) ? 1 : 0);
}

/* How input `index` of n, the constant t, is to be drawn. */
static drawing draw_input(const mq_node *n, size_t index, const mq_tensor *t)
{
    static const char *const convs[] = { "Conv", "ConvTranspose" }, *const products[] = { "MatMul", "Gemm" };
    static const char *const norms[] = { "BatchNormalization", "InstanceNormalization", "LayerNormalization",
                                         "RMSNormalization", "GroupNormalization" };
    static const char *const rows[] = { "Add", "Mul" }, *const recurrent[] = { "LSTM", "GRU", "RNN" };

    if (mq_node_is_any(n, "", convs, 2) && index > 0)
        return index == 1 ? draw_conv(n, t) : constant(0);
    if (mq_node_is_any(n, "", products, 2))
        return index == 2 ? constant(0) : draw_matrix(n, index, t);
    if (mq_node_is_any(n, "", norms, sizeof norms / sizeof *norms))
        return draw_norm(n, index);
    if (mq_node_is_any(n, "", recurrent, 3) && index >= 1 && index <= 3)
        return uniform(1 / (3 * (double)mq_node_attr_int(n, "hidden_size", 1)));
    if (mq_node_is(n, "", "Gather") && index == 0 && t->n_dims == 2)
        return uniform(1 / (double)t->dims[1]);
    if (mq_node_is(n, "", "PRelu") && index == 1)
        return constant(0.25);
    if (mq_node_is_any(n, "", rows, 2))
        return draw_row(n, index, t);
    return (drawing){ .any = false };
}

static mq_status put(mq_value *v, const drawing *d, uint64_t seed, mq_error *err)
{
    mq_model *m = v->graph->model;
    const int64_t n = mq_tensor_count(v->init);
    mq_tensor *t = mq_tensor_create(m, v->name, MQ_FLOAT, v->init->n_dims, v->init->dims, NULL);
    float *data = n >= 0 ? malloc((size_t)n * sizeof *data + 1) : NULL;
    mq_buf *buf;
    mq_status rc;

    if (!t || !data) {
        free(data);
        return mq_oom(err);
    }
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)(d->value + d->bound * (2 * mq_random_unit(mq_random_next(&seed)) - 1));
    if ((rc = mq_buf_from_heap(&buf, data, (size_t)n * sizeof *data, err)) != MQ_OK)
        return rc;
    t->storage = MQ_STORE_RAW;
    t->buf = buf;
    t->data = buf->data;
    t->n_bytes = (size_t)n * sizeof *data;
    rc = mq_model_keep_buf(m, buf, err);
    return rc == MQ_OK ? mq_value_set_init(v, t, err) : rc;
}

mq_status mq_weights_draw(mq_model *m, uint64_t seed, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < m->graph->values.n && rc == MQ_OK; i++) {
        mq_value *v = m->graph->values.items[i];
        drawing d = { .any = false };

        if (!v->init || v->is_input || v->init->dtype != MQ_FLOAT)
            continue;
        for (size_t k = 0; k < v->uses.n && !d.any; k++)
            d = draw_input(v->uses.items[k].node, v->uses.items[k].index, v->init);
        if (d.any)
            rc = put(v, &d, mq_random_at(seed, i), err);
    }
    return rc;
}
