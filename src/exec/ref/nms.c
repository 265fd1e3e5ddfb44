/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* NonMaxSuppression: per batch and class, boxes by falling score, without those that overlap a better one too much. */
#include <math.h>
#include <stdlib.h>

#include "exec/ref/util.h"

typedef struct nms {
    const float *boxes, *scores;
    int64_t batches, classes, n, most;
    float iou, least; /* scores must be above `least` */
    bool has_least, center;
} nms;

typedef struct candidate {
    float score;
    int64_t index;
} candidate;

/* Corners, lower ones first. */
typedef struct box {
    float y1, x1, y2, x2;
} box;

static int by_score(const void *pa, const void *pb)
{
    const candidate *a = pa, *b = pb;

    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static box corners(const float *b, bool center)
{
    if (center) /* x, y, width, height */
        return (box){ b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2 };
    return (box){ fminf(b[0], b[2]), fminf(b[1], b[3]), fmaxf(b[0], b[2]), fmaxf(b[1], b[3]) };
}

static bool overlaps(box a, box b, float threshold)
{
    const float height = fminf(a.y2, b.y2) - fmaxf(a.y1, b.y1), width = fminf(a.x2, b.x2) - fmaxf(a.x1, b.x1);
    const float area_a = (a.y2 - a.y1) * (a.x2 - a.x1), area_b = (b.y2 - b.y1) * (b.x2 - b.x1);

    if (!(height > 0 && width > 0 && area_a > 0 && area_b > 0))
        return false;
    return height * width / (area_a + area_b - height * width) > threshold;
}

/* The chosen boxes of one class; candidates is scratch for n. A score that is no number is never chosen. */
static int64_t choose(const nms *s, const float *boxes, const float *scores, candidate *candidates, box *kept, int64_t *out)
{
    int64_t n = 0, n_kept = 0;

    for (int64_t i = 0; i < s->n; i++)
        if (s->has_least ? scores[i] > s->least : !isnan(scores[i]))
            candidates[n++] = (candidate){ scores[i], i };
    qsort(candidates, (size_t)n, sizeof(*candidates), by_score);
    for (int64_t i = 0; i < n && n_kept < s->most; i++) {
        const box b = corners(boxes + 4 * candidates[i].index, s->center);
        bool free_of_others = true;

        for (int64_t k = 0; k < n_kept && free_of_others; k++)
            free_of_others = !overlaps(b, kept[k], s->iou);
        if (free_of_others) {
            kept[n_kept] = b;
            out[n_kept++] = candidates[i].index;
        }
    }
    return n_kept;
}

static mq_status get_number(mq_call *c, size_t i, float *out)
{
    if (!mq_call_has(c, i))
        return MQ_OK;
    if (c->in[i]->dtype != MQ_FLOAT || c->in[i]->count != 1)
        return mq_call_fail(c, "input %zu has %zu elements of %s; one float is wanted", i, c->in[i]->count,
                            mq_dtype_name(c->in[i]->dtype));
    *out = *(const float *)c->in[i]->data;
    return MQ_OK;
}

static mq_status get_inputs(mq_call *c, nms *s)
{
    const mq_array *b, *p;
    int64_t most = 0;
    size_t n = 1;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    b = c->in[0];
    p = c->in[1];
    if (b->dtype != MQ_FLOAT || p->dtype != MQ_FLOAT)
        return mq_call_bad_type(c, b->dtype != MQ_FLOAT ? b->dtype : p->dtype);
    if (b->rank != 3 || p->rank != 3 || b->dims[2] != 4 || b->dims[0] != p->dims[0] || b->dims[1] != p->dims[2])
        return mq_call_fail(c, "boxes must be [batches, n, 4] and scores [batches, classes, n]");
    if (mq_call_has(c, 2))
        MQ_TRY(mq_call_ints(c, 2, &most, 1, &n));
    if (n != 1)
        return mq_call_fail(c, "input 2 is empty");
    s->has_least = mq_call_has(c, 4);
    s->center = mq_node_attr_int(c->node, "center_point_box", 0) != 0;
    MQ_TRY(get_number(c, 3, &s->iou));
    MQ_TRY(get_number(c, 4, &s->least));
    if (!(s->iou >= 0 && s->iou <= 1))
        return mq_call_fail(c, "iou_threshold is %g; it must be in [0, 1]", (double)s->iou);
    s->boxes = b->data;
    s->scores = p->data;
    s->batches = p->dims[0];
    s->classes = p->dims[1];
    s->n = p->count > 0 ? p->dims[2] : 0;
    s->most = most < 0 ? 0 : most < s->n ? most : s->n;
done:
    return rc;
}

static mq_status write_chosen(mq_call *c, const nms *s, const int64_t *chosen, const int64_t *counts, int64_t groups)
{
    int64_t dims[] = { 0, 3 }, *to;
    void *out;
    mq_status rc;

    for (int64_t g = 0; g < groups; g++)
        dims[0] += counts[g];
    if ((rc = mq_call_out(c, 0, MQ_INT64, 2, dims, &out)) != MQ_OK || !out)
        return rc;
    to = out;
    for (int64_t g = 0; g < groups; g++)
        for (int64_t i = 0; i < counts[g]; i++) {
            *to++ = g / s->classes;
            *to++ = g % s->classes;
            *to++ = chosen[g * s->most + i];
        }
    return MQ_OK;
}

static mq_status op_nms(mq_call *c)
{
    nms s = { 0 };
    int64_t groups, *chosen, *counts;
    candidate *candidates;
    box *kept;
    int threads;
    mq_status rc;

    MQ_TRY(get_inputs(c, &s));
    groups = s.n > 0 && s.most > 0 ? s.batches * s.classes : 0;
    threads = mq_call_threads(c, groups * s.n * 16);
    chosen = mq_call_scratch(c, (size_t)(groups * s.most) * sizeof(*chosen));
    counts = mq_call_scratch(c, (size_t)groups * sizeof(*counts));
    candidates = mq_call_scratch(c, (size_t)threads * (size_t)s.n * sizeof(*candidates));
    kept = mq_call_scratch(c, (size_t)threads * (size_t)s.most * sizeof(*kept));
    if (!chosen || !counts || !candidates || !kept)
        return MQ_ERR_NOMEM;
    #pragma omp parallel for num_threads(threads)
    for (int t = 0; t < threads; t++)
        for (int64_t g = groups * t / threads; g < groups * (t + 1) / threads; g++)
            counts[g] = choose(&s, s.boxes + g / s.classes * s.n * 4, s.scores + g * s.n, candidates + t * s.n,
                               kept + t * s.most, chosen + g * s.most);
    rc = write_chosen(c, &s, chosen, counts, groups);
done:
    return rc;
}

const mq_kernel mq_kernels_nms[] = {
    { "", "NonMaxSuppression", op_nms, 0 },
    { 0 },
};
