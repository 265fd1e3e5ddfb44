/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Learning rates by step. */
#include "train/schedule.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

#define PI 3.14159265358979323846

static const char *const names[MQ_N_SCHEDULES] = { "constant", "step", "cosine" };

const char *mq_schedule_name(mq_schedule_kind kind)
{
    return names[kind];
}

bool mq_schedule_find(const char *name, mq_schedule_kind *out)
{
    for (int i = 0; i < MQ_N_SCHEDULES; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (mq_schedule_kind)i;
            return true;
        }
    }
    return false;
}

mq_status mq_schedule_check(const mq_schedule *s, mq_error *err)
{
    if (!(s->lr > 0) || !isfinite(s->lr))
        return mq_fail(err, MQ_ERR_USAGE, "the learning rate is %g, but has to be above 0", s->lr);
    if (s->warmup && s->warmup >= s->total)
        return mq_fail(err, MQ_ERR_USAGE, "the warm-up takes %llu steps, but the whole training has %llu",
                       (unsigned long long)s->warmup, (unsigned long long)s->total);
    if (!(s->factor >= 0 && s->factor <= 1) || !(s->floor >= 0 && s->floor <= 1))
        return mq_fail(err, MQ_ERR_USAGE, "the factor of a learning rate has to be from 0 to 1");
    return MQ_OK;
}

double mq_schedule_at(const mq_schedule *s, uint64_t step)
{
    const uint64_t rest = s->total > s->warmup ? s->total - s->warmup : 1;
    const uint64_t at = step - s->warmup, every = s->every ? s->every : (rest + 2) / 3;

    if (step < s->warmup)
        return s->lr * (double)(step + 1) / (double)(s->warmup + 1);
    if (s->kind == MQ_SCHEDULE_STEP)
        return s->lr * pow(s->factor > 0 ? s->factor : 0.1, (double)(at / every));
    if (s->kind == MQ_SCHEDULE_COSINE)
        return s->lr * (s->floor + (1 - s->floor) * 0.5 * (1 + cos(PI * (at < rest ? (double)at / (double)rest : 1))));
    return s->lr;
}
