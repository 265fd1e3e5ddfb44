/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The rule of Reshape, large enough for a file of its own. */
#ifndef MQ_OPS_RESHAPE_H
#define MQ_OPS_RESHAPE_H

#include "ops/ops.h"

mq_status mq_infer_reshape(mq_infer *in);

#endif
