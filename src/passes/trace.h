/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From an operator's input back to the constant behind it. */
#ifndef MQ_PASSES_TRACE_H
#define MQ_PASSES_TRACE_H

#include "passes/source.h"

/* Is n one of the operators that are looked through? NULL is none. */
bool mq_trace_passes_on(const mq_node *n);

/* Looks through Identity, Transpose, Reshape, Flatten, Squeeze, Unsqueeze and Cast to a constant of floating-point numbers.
 * *constant is the value that holds it, *view what v sees of it. false: there is none, or no view can say it. */
bool mq_trace_constant(const mq_value *v, mq_value **constant, mq_source *view);

/* Any constant behind v, of whatever type, through the same operators; NULL: none. */
mq_value *mq_trace_behind(const mq_value *v);

#endif
