/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Discrete Fourier transforms of any length, in double. */
#ifndef MQ_EXEC_REF_FFT_H
#define MQ_EXEC_REF_FFT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct mq_fft mq_fft;

/* For transforms of n elements (n >= 1) in one direction. The inverse is divided by n. */
mq_status mq_fft_create(mq_fft **out, int64_t n, bool inverse, mq_error *err);
void mq_fft_free(mq_fft *f); /* NULL is fine */

/* Numbers (not bytes) of double that a run needs beside its data. */
int64_t mq_fft_work(const mq_fft *f);

/* Transforms data (n pairs of real and imaginary part) in place. f is only read: threads may share it. */
void mq_fft_run(const mq_fft *f, double *data, double *work);

#endif
