/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Elementary functions over arrays of floats, as vector code. `out` may be `in`. Errors are largest over all floats, in
 * units of the last place of the true value (tests/unit/exec/vmath.c measures them). NaN stays NaN;
 * infinities, denormals and overflow are those of the function itself. */
#ifndef MQ_EXEC_REF_VMATH_H
#define MQ_EXEC_REF_VMATH_H

#include <stdint.h>

void mq_vexp(const float *in, float *out, int64_t n); /* 1.1 */
void mq_vexpm1(const float *in, float *out, int64_t n); /* 1.8 */
void mq_vlog(const float *in, float *out, int64_t n); /* 0.8 */
void mq_vtanh(const float *in, float *out, int64_t n); /* 1.4 */
void mq_vsigmoid(const float *in, float *out, int64_t n); /* 2.3 */
void mq_verf(const float *in, float *out, int64_t n); /* 1.2 */
void mq_vsoftplus(const float *in, float *out, int64_t n); /* 2 */
void mq_vmish(const float *in, float *out, int64_t n); /* 3.7, from -80 on */
void mq_vgelu(const float *in, float *out, int64_t n); /* 5, from -12.9 on */
void mq_vgelu_tanh(const float *in, float *out, int64_t n); /* 3.3, from -1 on; the relative error grows to the left of it */

#endif
