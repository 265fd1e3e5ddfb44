/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What kernels for x86 without VNNI would lose: they multiply unsigned bytes by signed ones and add two neighbours in 16
 * bits, which stop at the ends (vpmaddubsw). Some of the products of some runs are computed in that way and in the right
 * one. Which neighbours meet is a kernel's affair; here they are input channels side by side at one place of the window,
 * which is how the common ones lay out weights. */
#include <math.h>
#include <string.h>

#include "api/drift_job.h"
#include "base/compiler.h"
#include "data/convert.h"
#include "exec/ref/slide.h"

enum {
    MOST_ROWS = 64,       /* of one run and layer */
    MOST_RUN_SAMPLES = 16, /* samples after which no more are looked at */
};
#define MOST_PRODUCTS (1 << 24) /* of one run and layer */

/* A layer's integers as a product of rows of n_k bytes with n_out channels. */
typedef struct product {
    const mq_node *node;
    size_t n_k, n_out, group; /* n_k: of one group */
    int8_t *weights;          /* [n_out][n_k], pairs side by side */
    float *scales;            /* per channel */
    int *zeros;
    uint8_t *row;             /* n_k */
    const uint8_t *x;         /* activations as unsigned bytes */
    const mq_array *shape;    /* of x */
    int zero;
    double scale;
    mq_array *w;              /* the stored weight */
    mq_window window;         /* of a convolution */
} product;

/* ---- activations ---------------------------------------------------------------------------------------------------- */

/* The scale that a run's values give, with 0 among them. */
static void dynamic_scale(const mq_array *x, mq_fake *f)
{
    double low, high;

    mq_array_range(x, &low, &high);
    low = fmin(low, 0);
    high = fmax(high, 0);
    f->out_scale = f->in_scale = high > low ? (high - low) / 255 : 1;
    f->out_zero = f->in_zero = (int64_t)fmin(fmax(nearbyint(-low / f->in_scale), 0), 255);
}

/* Bytes from 0 up: int8 moves up by 128. */
static mq_status make_bytes(product *p, const mq_layer_job *l, const mq_array *x, uint8_t **out, mq_error *err)
{
    const int up = l->view->in[0].fake.type == MQ_INT8 ? 128 : 0;
    const size_t channels = l->in_scale ? l->n_in_scale : 1;
    const int axis = mq_layers_value_axis(p->node, x->rank);
    mq_fake f = l->view->in[0].fake;
    size_t inner = 1;

    if (f.dynamic)
        dynamic_scale(x, &f);
    for (int i = axis + 1; i < x->rank; i++)
        inner *= (size_t)x->dims[i];
    if (!(*out = malloc(x->count + 1)))
        return mq_oom(err);
    for (size_t e = 0; e < x->count; e++) {
        const double v = ((const float *)x->data)[e] * (l->in_scale ? l->in_scale[e / inner % channels] : 1.0);
        const double code = isfinite(v) ? nearbyint(v / f.in_scale) + (double)f.in_zero + up : up;

        (*out)[e] = (uint8_t)fmin(fmax(code, 0), 255);
    }
    p->x = *out;
    p->shape = x;
    p->zero = (int)f.out_zero + up;
    p->scale = f.out_scale;
    return MQ_OK;
}

/* ---- weights -------------------------------------------------------------------------------------------------------- */

static bool shape_of(product *p)
{
    const mq_array *w = p->w, *x = p->shape;
    const bool conv = strcmp(p->node->op_type, "Conv") == 0;
    const int64_t group = mq_node_attr_int(p->node, "group", 1);
    mq_call c = { .node = p->node };

    if (w->dtype != MQ_INT8 || w->count == 0)
        return false;
    if (conv) {
        if (w->rank != 4 || x->rank != 4 || group < 1 || w->dims[0] % group || x->dims[1] != w->dims[1] * group)
            return false;
        p->group = (size_t)group;
        p->n_out = (size_t)w->dims[0];
        p->n_k = w->count / p->n_out;
        return mq_call_window(&c, 2, x->dims + 2, w->dims + 2, &p->window) == MQ_OK && p->window.out[0] > 0 &&
               p->window.out[1] > 0;
    }
    p->group = 1;
    if (w->rank != 2 || x->rank < 1 || mq_node_attr_int(p->node, "transA", 0))
        return false;
    p->n_k = (size_t)x->dims[x->rank - 1];
    p->n_out = p->n_k ? w->count / p->n_k : 0;
    return p->n_out && p->n_k * p->n_out == w->count;
}

/* Channels of one place of the window side by side; rows of a matrix as they are, or turned. turned: stored [n_k, n_out]. */
static void arrange(product *p, bool turned)
{
    const int8_t *from = p->w->data;
    const bool conv = strcmp(p->node->op_type, "Conv") == 0;
    const size_t c = conv ? (size_t)p->w->dims[1] : p->n_k, places = p->n_k / c;

    for (size_t o = 0; o < p->n_out; o++)
        for (size_t k = 0; k < p->n_k; k++)
            p->weights[o * p->n_k + k] = turned ? from[k * p->n_out + o] : from[o * p->n_k + k % c * places + k / c];
}

static mq_status make_weights(mq_layers_job *j, product *p, const mq_layer_view *v, const mq_array *scale,
                              const mq_array *zero)
{
    const bool turned = p->w->rank == 2 && mq_layers_weight_axis(v->node, v->op, 1, 2) == 1;

    p->weights = malloc(p->n_out * p->n_k + 1);
    p->scales = malloc((p->n_out + 1) * sizeof *p->scales);
    p->zeros = calloc(p->n_out + 1, sizeof *p->zeros);
    p->row = malloc(p->n_k + 1);
    if (!p->weights || !p->scales || !p->zeros || !p->row)
        return mq_oom(j->err);
    arrange(p, turned);
    for (size_t o = 0; o < p->n_out; o++) {
        p->scales[o] = scale ? ((const float *)scale->data)[scale->count == p->n_out ? o : 0] : 1;
        p->zeros[o] = zero ? (int)((const float *)zero->data)[zero->count == p->n_out ? o : 0] : 0;
    }
    return MQ_OK;
}

/* ---- rows ----------------------------------------------------------------------------------------------------------- */

/* The window of group g at an output place, channels innermost; outside is the zero point. */
static void gather_window(const product *p, size_t sample, size_t g, int64_t row, int64_t column)
{
    const int64_t *xd = p->shape->dims, *wd = p->w->dims;
    const mq_window *at = &p->window;
    uint8_t *to = p->row;

    for (int64_t kh = 0; kh < wd[2]; kh++) {
        const int64_t h = row * at->stride[0] - at->lo[0] + kh * at->dilation[0];

        for (int64_t kw = 0; kw < wd[3]; kw++) {
            const int64_t w = column * at->stride[1] - at->lo[1] + kw * at->dilation[1];
            const bool inside = h >= 0 && h < xd[2] && w >= 0 && w < xd[3];

            for (int64_t c = 0; c < wd[1]; c++) {
                const int64_t channel = (int64_t)g * wd[1] + c;

                *to++ = inside ? p->x[(((int64_t)sample * xd[1] + channel) * xd[2] + h) * xd[3] + w] : (uint8_t)p->zero;
            }
        }
    }
}

/* Both sums of one row and one channel: their difference, and how many pairs stopped. */
typedef struct sums {
    int64_t right, lost;
    uint64_t stopped;
} sums;

static sums multiply(const uint8_t *x, const int8_t *w, size_t n)
{
    sums s = { 0 };

    for (size_t k = 0; k < n; k += 2) {
        const int pair = x[k] * w[k] + (k + 1 < n ? x[k + 1] * w[k + 1] : 0);
        const int held = pair > INT16_MAX ? INT16_MAX : pair < INT16_MIN ? INT16_MIN : pair;

        s.right += pair;
        s.lost += held - pair;
        s.stopped += held != pair;
    }
    return s;
}

static void add_row(const product *p, mq_layer_job *l, size_t from, size_t to)
{
    int64_t row = 0;

    for (size_t k = 0; k < p->n_k; k++)
        row += p->row[k] - p->zero;
    for (size_t o = from; o < to; o++) {
        const int8_t *w = p->weights + o * p->n_k;
        const double step = p->scale * (double)p->scales[o];
        const sums s = multiply(p->row, w, p->n_k);
        int64_t all = 0;
        double value;

        if (!isfinite(step))
            continue;
        for (size_t k = 0; k < p->n_k; k++)
            all += w[k];
        value = (double)(s.right - p->zero * all - p->zeros[o] * row) * step;
        l->saturated += (double)s.lost * step * (double)s.lost * step;
        l->products += value * value;
        l->n_saturated += s.stopped;
        l->n_sums += (p->n_k + 1) / 2;
    }
}

/* Windows at places spread over the result. */
static void add_windows(const product *p, mq_layer_job *l, size_t n_rows, const int64_t *out)
{
    const size_t places = (size_t)(p->shape->dims[0] * out[0] * out[1]), each = p->n_out / p->group;

    for (size_t i = 0; i < n_rows; i++) {
        const size_t at = places * i / n_rows, inside = at % (size_t)(out[0] * out[1]);

        for (size_t g = 0; g < p->group; g++) {
            gather_window(p, at / (size_t)(out[0] * out[1]), g, (int64_t)inside / out[1], (int64_t)inside % out[1]);
            add_row(p, l, g * each, (g + 1) * each);
        }
    }
}

static void add_rows(const product *p, mq_layer_job *l)
{
    const size_t per_row = p->n_k * p->n_out, most = MOST_PRODUCTS / per_row;
    size_t n_rows = most < 1 ? 1 : most > MOST_ROWS ? MOST_ROWS : most, all;

    if (strcmp(p->node->op_type, "Conv") == 0) {
        all = (size_t)(p->shape->dims[0] * p->window.out[0] * p->window.out[1]);
        add_windows(p, l, n_rows < all ? n_rows : all, p->window.out);
        return;
    }
    all = p->shape->count / p->n_k;
    n_rows = n_rows < all ? n_rows : all;
    for (size_t i = 0; i < n_rows; i++) {
        memcpy(p->row, p->x + all * i / n_rows * p->n_k, p->n_k);
        add_row(p, l, 0, p->n_out);
    }
}

static bool multiplies_bytes(const mq_layer_job *l)
{
    const mq_fake *f = &l->view->in[0].fake;

    if (l->view->n_in < 2 || !f->on || (f->type != MQ_INT8 && f->type != MQ_UINT8))
        return false;
    if (strcmp(l->node->op_type, "Conv") == 0)
        return strcmp(l->view->op, "Conv") == 0;
    return strcmp(l->view->op, "MatMul") == 0 || strcmp(l->view->op, "Gemm") == 0;
}

mq_status mq_layer_saturate(mq_layers_job *j, mq_layer_job *l, const mq_array *x)
{
    product p = { .node = l->node, .shape = x };
    mq_array *scale = NULL, *zero = NULL;
    uint8_t *bytes = NULL;
    mq_status rc;

    if (!multiplies_bytes(l) || j->n_samples >= MOST_RUN_SAMPLES || x->kind != MQ_TYPE_TENSOR || x->dtype != MQ_FLOAT ||
        x->count == 0)
        return MQ_OK;
    MQ_TRY(mq_layers_codes(j, l->view, 1, &p.w, &scale, &zero));
    if (!p.w || !shape_of(&p) || (l->in_scale && x->count % l->n_in_scale))
        goto done;
    MQ_TRY(make_bytes(&p, l, x, &bytes, j->err));
    MQ_TRY(make_weights(j, &p, l->view, scale, zero));
    add_rows(&p, l);
done:
    mq_array_unref(p.w);
    mq_array_unref(scale);
    mq_array_unref(zero);
    free(bytes);
    free(p.weights);
    free(p.scales);
    free(p.zeros);
    free(p.row);
    return rc;
}
