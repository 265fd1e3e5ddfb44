/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Where the zeros of a weight lie: N of M neighbours along the axis that products are summed over, as sparse tensor cores
 * want them, and output channels of nothing but zeros. */
#include <stdlib.h>
#include <string.h>

#include "api/inspect_parts.h"
#include "api/tensor_stats.h"
#include "passes/weight_inputs.h"

/* At most `keep` of each `of`; the strictest first. */
static const struct {
    uint8_t keep, of;
} patterns[] = { { 1, 4 }, { 2, 8 }, { 2, 4 }, { 4, 8 } };
enum { N_PATTERNS = sizeof patterns / sizeof *patterns, MOST_ROW = 1 << 20 };

/* A weight as slabs of `depth` rows of `inner` neighbours; groups go down the rows, channels along their own axis. */
typedef struct layout {
    uint64_t slabs, depth, inner, channels, channel_inner;
} layout;

static uint64_t product(const int64_t *dims, int from, int to)
{
    uint64_t n = 1;

    for (int i = from; i < to; i++)
        n *= (uint64_t)dims[i];
    return n;
}

/* The axes of the first layer that v is a weight of; false: of none. */
static bool find_layout(const mq_value *v, const mq_tensor *t, layout *l)
{
    int channel = -1, reduce = -1;

    for (size_t i = 0; i < v->uses.n && reduce < 0; i++)
        if (mq_weight_is_input(v->uses.items[i].node, v->uses.items[i].index))
            mq_weight_axes(v->uses.items[i].node, v->uses.items[i].index, t->n_dims, &channel, &reduce);
    if (reduce < 0 || channel < 0 || reduce >= t->n_dims || channel >= t->n_dims)
        return false;
    *l = (layout){ product(t->dims, 0, reduce), (uint64_t)t->dims[reduce], product(t->dims, reduce + 1, t->n_dims),
                   (uint64_t)t->dims[channel], product(t->dims, channel + 1, t->n_dims) };
    return l->inner <= MOST_ROW;
}

typedef struct seen {
    bool holds[N_PATTERNS];
    uint8_t *counts[N_PATTERNS]; /* per neighbour: nonzero ones of the group so far */
    bool *channel;               /* something is not zero */
    float *row;
} seen;

static void look_at_row(seen *s, const layout *l, uint64_t row, uint64_t from)
{
    for (size_t p = 0; p < N_PATTERNS; p++) {
        uint8_t *counts = s->counts[p], most = 0;

        if (row % patterns[p].of == 0)
            memset(counts, 0, l->inner);
        for (uint64_t i = 0; i < l->inner; i++) {
            counts[i] = (uint8_t)(counts[i] + (s->row[i] != 0));
            most = counts[i] > most ? counts[i] : most;
        }
        s->holds[p] &= most <= patterns[p].keep;
    }
    for (uint64_t i = 0; i < l->inner; i++)
        if (s->row[i] != 0)
            s->channel[(from + i) / l->channel_inner % l->channels] = true;
}

static mq_status look(seen *s, const layout *l, mq_tensor *t, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (uint64_t slab = 0; slab < l->slabs && rc == MQ_OK; slab++)
        for (uint64_t row = 0; row < l->depth && rc == MQ_OK; row++) {
            const uint64_t from = (slab * l->depth + row) * l->inner;

            rc = mq_tensor_read_f32(t, from, l->inner, s->row, err);
            if (rc == MQ_OK)
                look_at_row(s, l, row, from);
        }
    return rc;
}

static const char *describe(mq_inspect_ctx *c, const seen *s, const layout *l)
{
    mq_str text = { 0 };
    size_t p = 0;
    uint64_t empty = 0;

    while (p < N_PATTERNS && (!s->holds[p] || l->depth < patterns[p].of))
        p++;
    if (p < N_PATTERNS)
        mq_str_addf(&text, "%d:%d", patterns[p].keep, patterns[p].of);
    for (uint64_t i = 0; i < l->channels; i++)
        empty += !s->channel[i];
    if (empty)
        mq_str_addf(&text, "%s%llu of %llu output channels are zero", text.n ? ", " : "", (unsigned long long)empty,
                    (unsigned long long)l->channels);
    return text.n || text.failed ? mq_inspect_keep(c, &text) : "";
}

mq_status mq_inspect_structure(mq_inspect_ctx *c, const mq_value *v, mq_tensor *t, const char **out, mq_error *err)
{
    seen s = { 0 };
    layout l;
    mq_status rc = MQ_OK;

    *out = "";
    if (!mq_dtype_has_zeros(t->dtype) || !find_layout(v, t, &l))
        return MQ_OK;
    s.channel = calloc(l.channels + 1, sizeof *s.channel);
    s.row = malloc((size_t)l.inner * sizeof *s.row + 1);
    for (size_t p = 0; p < N_PATTERNS; p++) {
        s.holds[p] = true;
        if (!(s.counts[p] = calloc(1, (size_t)l.inner + 1)))
            rc = mq_oom(err);
    }
    if (!s.channel || !s.row)
        rc = mq_oom(err);
    if (rc == MQ_OK && (rc = look(&s, &l, t, err)) == MQ_OK && !(*out = describe(c, &s, &l)))
        rc = mq_oom(err);
    for (size_t p = 0; p < N_PATTERNS; p++)
        free(s.counts[p]);
    free(s.channel);
    free(s.row);
    return rc;
}
