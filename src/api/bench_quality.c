/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How right models are: metrics on the data. */
#include <math.h>

#include "api/bench_parts.h"

double mq_bench_drop(double first, double value, bool lower_is_better)
{
    const double worse = lower_is_better ? value - first : first - value;
    const bool shares = first >= 0 && first <= 1 && value >= 0 && value <= 1;

    if (shares || first == 0)
        return worse;
    return worse / fabs(first);
}

mq_status mq_bench_quality(mq_bench_job *j, mq_error *err)
{
    (void)j;
    (void)err;
    return MQ_OK;
}
