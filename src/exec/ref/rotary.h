/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Rotary embedding of one row of a head, for attention that does it itself. */
#ifndef MQ_EXEC_REF_ROTARY_H
#define MQ_EXEC_REF_ROTARY_H

#include <stdbool.h>
#include <stdint.h>

/* Turns pair i of x by the angle of cos[i] and sin[i], for `half` pairs: neighbours, or elements i and half + i. The
 * others of the `size` elements stay. y may be x. */
void mq_rotate_row(const float *x, const float *cos, const float *sin, int64_t half, int64_t size, bool interleaved,
                   float *y);

#endif
