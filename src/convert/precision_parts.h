/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the files of a change of precision share. */
#ifndef MQ_CONVERT_PRECISION_PARTS_H
#define MQ_CONVERT_PRECISION_PARTS_H

#include "convert/precision.h"

/* In the tag of nodes (HALF, FULL) and of values of floats. 0: not looked at; as a node: made by the change itself. */
enum {
    MQ_HALF = 1,      /* computes, or is made, in the new type */
    MQ_FULL,          /* in float */
    MQ_WIDE,          /* in float, and what reads it has to be: values may be beyond the range */
    MQ_FITS,          /* a constant that can be written in the new type */
    MQ_OVERFLOWS,     /* a constant with values beyond its range */
    MQ_LOST,          /* a constant that would lose too much */
};

bool mq_precision_is_float(const mq_value *v); /* NULL is fine */
/* Was v (NULL is fine) seen beyond the type's range, or nowhere above what it can tell from 0? */
bool mq_precision_seen_outside(const mq_precision *p, const mq_value *v);
/* Is input i (present or not) of floats and of a type that changes with the node's? The same for outputs. */
bool mq_precision_input_follows(const mq_node *n, size_t i, mq_dtype to);
bool mq_precision_output_follows(const mq_node *n, size_t i, mq_dtype to);

/* v, which a node makes, keeps its name and its place among the outputs and becomes a Cast to `want` of *made, a new value
 * of type `is`, which the node makes and everybody reads. */
mq_status mq_precision_cast_output(mq_value *v, mq_dtype is, mq_dtype want, mq_value **made, mq_error *err);

/* Sets all tags (precision_choose.c). MQ_ERR_USAGE for a pattern that matches nothing. */
mq_status mq_precision_choose(mq_model *m, mq_precision *p, mq_error *err);
/* float16 and bfloat16 become float everywhere (precision_widen.c). */
mq_status mq_precision_widen(mq_model *m, mq_precision *p, mq_error *err);

#endif
