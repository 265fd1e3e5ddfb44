/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Arrays in a kernel library's own order (blocked channels): what the executor must be able to do with them. Defined by the
 * library's room; without one there are no such arrays. */
#ifndef MQ_EXEC_LAYOUT_H
#define MQ_EXEC_LAYOUT_H

#include "graph/array.h"

/* A row-major copy. */
mq_status mq_layout_to_plain(mq_array **out, const mq_array *a, int n_threads, mq_error *err);

#endif
