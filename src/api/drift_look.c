/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What is counted of values and weights beside their integers: enough to tell why an error is large. */
#include <math.h>
#include <string.h>

#include "api/drift_job.h"
#include "passes/qdq.h"

/* ---- activations ---------------------------------------------------------------------------------------------------- */

const mq_fake *mq_layer_fake(const mq_layer_job *l, size_t k)
{
    return k < MQ_LAYER_INPUTS ? &l->view->in[k].fake : &l->view->made;
}

static void see(mq_layer_values *s, const mq_fake *f, double x, int64_t low, int64_t high)
{
    double code, error;
    bool clipped;

    if (!(fabs(x) < MQ_LAYER_MASK))
        return;
    s->min = s->n ? fmin(s->min, x) : x;
    s->max = s->n ? fmax(s->max, x) : x;
    s->n++;
    s->sum2 += x * x;
    if (f->dynamic)
        return;
    code = nearbyint(x / f->in_scale) + (double)f->in_zero;
    clipped = code < (double)low || code > (double)high;
    s->below += code < (double)low;
    s->above += code > (double)high;
    code = fmin(fmax(code, (double)low), (double)high);
    error = x - (code - (double)f->out_zero) * f->out_scale;
    *(clipped ? &s->clip : &s->round) += error * error;
}

static bool make_channels(mq_layer_values *s, size_t n)
{
    if (!s->channels && n && (s->channels = calloc(n, sizeof *s->channels)))
        s->n_channels = n;
    return s->channels;
}

mq_status mq_layer_look_at(mq_layer_job *l, size_t k, const mq_array *x, mq_error *err)
{
    const mq_fake *f = mq_layer_fake(l, k);
    const int axis = mq_layers_value_axis(l->node, x->rank);
    mq_layer_values *s = &l->looks[k];
    const float *values = x->data, *scale = k == 0 ? l->in_scale : NULL;
    int64_t low, high;
    size_t inner = 1, n;

    if (x->kind != MQ_TYPE_TENSOR || x->dtype != MQ_FLOAT || axis < 0 || axis >= x->rank || x->count == 0)
        return MQ_OK;
    n = (size_t)x->dims[axis];
    if (!make_channels(s, n))
        return mq_oom(err);
    mq_qdq_range(f->type, &low, &high);
    for (int i = axis + 1; i < x->rank; i++)
        inner *= (size_t)x->dims[i];
    for (size_t e = 0; e < x->count; e++) {
        const size_t c = e / inner % n;
        const double v = scale && n == l->n_in_scale ? (double)values[e] * scale[c] : values[e];

        see(s, f, v, low, high);
        if (c < s->n_channels && fabs(v) < MQ_LAYER_MASK)
            s->channels[c] = fmax(s->channels[c], fabs(v));
    }
    return MQ_OK;
}

/* ---- weights -------------------------------------------------------------------------------------------------------- */

/* Of one output channel: largest magnitudes, and sums. */
typedef struct channel {
    double largest, made, squares;
    size_t n;
} channel;

static int by_size(const void *x, const void *y)
{
    const double a = *(const double *)x, b = *(const double *)y;

    return a < b ? -1 : a > b;
}

/* The largest channel's magnitude by the median's. */
static double spread_of(const channel *c, size_t n)
{
    double *sizes = malloc((n + 1) * sizeof *sizes), spread;

    if (!sizes || n < 2) {
        free(sizes);
        return 1;
    }
    for (size_t i = 0; i < n; i++)
        sizes[i] = c[i].largest;
    qsort(sizes, n, sizeof *sizes, by_size);
    spread = sizes[n / 2] > 0 ? sizes[n - 1] / sizes[n / 2] : 1;
    free(sizes);
    return spread;
}

/* Elements lie with `inner` of each channel together. */
typedef struct layout {
    size_t n, inner; /* n: channels */
} layout;

static layout layout_of(const mq_node *n, size_t k, const mq_array *a)
{
    const int axis = mq_layers_weight_axis(n, n->op_type, k, a->rank);
    layout at = { (size_t)a->dims[axis], 1 };

    for (int i = axis + 1; i < a->rank; i++)
        at.inner *= (size_t)a->dims[i];
    return at;
}

static size_t channel_of(const layout *at, size_t e)
{
    return e / at->inner % at->n;
}

static void sum_up(mq_layer_job *l, const mq_array *a, const mq_array *b, const channel *c, const layout *at,
                   double step)
{
    const float *x = a->data, *y = b->data;
    struct mq_weight_look *w = &l->weight;
    double shift = 0, product = 0;

    for (size_t e = 0; e < a->count; e++) {
        const double d = (double)y[e] - x[e];

        w->noise += d * d;
        w->power += (double)x[e] * x[e];
        shift += d;
        product += (double)x[e] * y[e];
        if (fabs(x[e]) > c[channel_of(at, e)].made && fabs(d) > step / 2)
            w->clip += d * d;
    }
    w->offset = shift * shift / (double)a->count;
    w->steps = step > 0 ? shift / (double)a->count / step : 0;
    w->ratio = w->power > 0 ? product / w->power : 1;
    w->spread = spread_of(c, at->n);
    for (size_t i = 0; i < at->n; i++)
        if (c[i].squares > 0)
            w->peak = fmax(w->peak, c[i].largest / sqrt(c[i].squares / (double)c[i].n));
}

mq_status mq_layer_look_at_weight(mq_layers_job *j, mq_layer_job *l, size_t k, const mq_array *a, const mq_array *b)
{
    const float *x = a->data, *y = b->data;
    mq_array *codes = NULL, *scale = NULL, *zero = NULL;
    channel *c = NULL;
    layout at;
    mq_status rc = MQ_OK;

    if (l->weight.seen || a->rank < 2 || a->count == 0)
        return MQ_OK;
    at = layout_of(l->node, k, a);
    MQ_TRY(mq_layers_codes(j, l->view, k, &codes, &scale, &zero));
    if (!(c = calloc(at.n, sizeof *c)))
        MQ_TRY(mq_oom(j->err));
    for (size_t e = 0; e < a->count; e++) {
        channel *to = &c[channel_of(&at, e)];

        to->largest = fmax(to->largest, fabs(x[e]));
        to->made = fmax(to->made, fabs(y[e]));
        to->squares += (double)x[e] * x[e];
        to->n++;
    }
    l->weight.seen = true;
    l->weight.bits = codes ? mq_dtype_bits(codes->dtype) : 0;
    l->weight.one_scale = scale && scale->count == 1;
    sum_up(l, a, b, c, &at, scale && scale->count ? ((const float *)scale->data)[0] : 0);
done:
    mq_array_unref(codes);
    mq_array_unref(scale);
    mq_array_unref(zero);
    free(c);
    return rc;
}
