/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Arrays as the element type that an input wants. */
#ifndef MQ_DATA_CONVERT_H
#define MQ_DATA_CONVERT_H

#include "graph/array.h"

/* Can elements of one type stand for the other? Floats for floats, integers and bool for integers and floats; never
 * floats for integers. Values that do not fit are an error when they come. */
bool mq_can_convert(mq_dtype from, mq_dtype to);

/* A new array, or another reference to `a` when it is of that type. MQ_ERR_INPUT for an integer that does not fit. */
mq_status mq_array_convert(mq_array **out, const mq_array *a, mq_dtype to, mq_error *err);

/* Numbers as QuantizeLinear makes integers of 8 or 16 bits of them: a is of a floating-point type. */
mq_status mq_array_quantize(mq_array **out, const mq_array *a, mq_dtype to, float scale, int32_t zero_point, mq_error *err);

/* A copy whose strings are its own too. */
mq_status mq_array_own(mq_array **out, const mq_array *a, mq_error *err);

/* Elements that are NaN or infinite, and the range of the others (numeric, plain layout; complex numbers and
 * strings: none). */
size_t mq_array_range(const mq_array *a, double *min, double *max);

/* Writes n elements from doubles, rounded and held inside the type (which is numeric). */
void mq_put_f64(mq_dtype to, void *data, size_t at, const double *v, size_t n);

/* Lays n arrays of the same type and shape behind each other along a new axis 0; `rows` >= n repeats the last. A
 * view when they lie so already. */
mq_status mq_array_stack(mq_array **out, mq_array *const *rows_in, size_t n, size_t rows, mq_error *err);

#endif
