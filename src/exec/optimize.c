/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The engine's own passes over its private copy. */
#include "exec/optimize.h"

#include "exec/internal.h"
#include "ops/ops.h"

mq_status mq_plan_optimize(mq_plan *p, mq_error *err)
{
    return mq_infer_model(p->model, NULL, NULL, err);
}
