/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Rows of A as 8-bit integers, for MatMulNBits at accuracy level 4. */
#include "exec/ref/nbits_rows.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/compiler.h"

#define LANES 16
#define WHOLE 0x1.8p23f /* adding and taking it off rounds to integers */

/* NaN counts as infinity. */
MQ_CLONES(float, largest, (const float *a, int64_t n), (a, n))
{
    float lane[LANES] = { 0 };
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            const float v = fabsf(a[i + l]) <= FLT_MAX ? fabsf(a[i + l]) : INFINITY;
            lane[l] = v > lane[l] ? v : lane[l];
        }
    for (; i < n; i++) {
        const float v = fabsf(a[i]) <= FLT_MAX ? fabsf(a[i]) : INFINITY;
        lane[0] = v > lane[0] ? v : lane[0];
    }
    for (int l = 1; l < LANES; l++)
        lane[0] = lane[l] > lane[0] ? lane[l] : lane[0];
    return lane[0];
}

MQ_CLONES(void, round_all, (const float *restrict a, int64_t n, float inverse, int8_t *restrict q), (a, n, inverse, q))
{
    for (int64_t i = 0; i < n; i++)
        q[i] = (int8_t)(int32_t)(a[i] * inverse + WHOLE - WHOLE);
}

bool mq_nbits_rounds(const mq_node *n, bool has_groups)
{
    return !has_groups && mq_node_attr_int(n, "accuracy_level", 0) == 4;
}

bool mq_nbits_round_row(const float *a, int64_t k, int64_t block, int8_t *q, float *scales)
{
    for (int64_t at = 0; at < k; at += block) {
        const int64_t n = k - at < block ? k - at : block;
        const float most = largest(a + at, n), scale = most / 127;

        if (!(most <= FLT_MAX))
            return false;
        memset(q + at, 0, (size_t)block);
        if (scale >= FLT_MIN)
            round_all(a + at, n, 1 / scale, q + at);
        *scales++ = scale >= FLT_MIN ? scale : 0;
    }
    return true;
}

void mq_nbits_round_floats(const float *a, int64_t m, int64_t k, int64_t block, int8_t *q, float *scales, float *out)
{
    for (int64_t r = 0; r < m; r++) {
        if (!mq_nbits_round_row(a + r * k, k, block, q, scales)) {
            memcpy(out, a, (size_t)(m * k) * sizeof *out);
            return;
        }
        for (int64_t i = 0; i < k; i++)
            out[r * k + i] = (float)q[i] * scales[i / block];
    }
}
