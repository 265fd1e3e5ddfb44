/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the engine does to its private copy of the graph before it runs. */
#ifndef MQ_EXEC_OPTIMIZE_H
#define MQ_EXEC_OPTIMIZE_H

#include "exec/exec.h"

/* Folds constants, fuses, drops what does nothing. Values that are graph outputs stay. Infers types and shapes. */
mq_status mq_plan_optimize(mq_plan *p, mq_error *err);

#endif
