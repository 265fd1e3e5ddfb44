/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Elementary functions over arrays of floats: the loops around vmath_lane.h. */
#include "exec/ref/vmath.h"

#include "exec/ref/lanes.h"
#include "exec/ref/vmath_lane.h"

#define LOOP(name)                                                                       \
    MQ_CLONES(void, name##_loop, (const float *in, float *out, int64_t n), (in, out, n)) \
    {                                                                                    \
        MQ_LANES                                                                         \
        for (int64_t i = 0; i < n; i++)                                                  \
            out[i] = mq_lane_##name(in[i]);                                              \
    }                                                                                    \
    void mq_v##name(const float *in, float *out, int64_t n)                              \
    {                                                                                    \
        name##_loop(in, out, n);                                                         \
    }

LOOP(exp)
LOOP(expm1)
LOOP(log)
LOOP(tanh)
LOOP(sigmoid)
LOOP(erf)
LOOP(softplus)
LOOP(mish)
LOOP(gelu)
LOOP(gelu_tanh)
