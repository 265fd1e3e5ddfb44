/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The tables of fast kernels, in order of preference; each table ends with an empty row, the list with NULL. */
#ifndef MQ_EXEC_FAST_H
#define MQ_EXEC_FAST_H

#include "base/isa.h"
#include "exec/kernel.h"

extern const mq_fast *const mq_fast_tables[];

extern const mq_fast mq_fast_nbits[]; /* needs no library */

/* The libraries behind the tables use no instructions beyond it. false: one of them cannot follow (any more). */
bool mq_fast_limit_isa(mq_isa isa);

#endif
