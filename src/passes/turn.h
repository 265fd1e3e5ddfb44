/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators that compute the same on turned tensors (tensors with their axes in another order) as on plain ones:
 * element by element, or along axes that are named. */
#ifndef MQ_PASSES_TURN_H
#define MQ_PASSES_TURN_H

#include "passes/pass.h"

#define MQ_TURN_RANK 8 /* no more axes than this */

/* Axis i of the turned tensor is axis perm[i] of the plain one, whose axis a is axis inverse[a] of the turned one. */
typedef struct mq_turn {
    int rank;
    int64_t perm[MQ_TURN_RANK], inverse[MQ_TURN_RANK];
} mq_turn;

/* What a Transpose does; false: n is none, or has another form than is known here. */
bool mq_turn_read(const mq_node *n, mq_turn *out);
/* a, and b behind it. */
mq_turn mq_turn_join(const mq_turn *a, const mq_turn *b);
/* The way back. */
mq_turn mq_turn_back(const mq_turn *t);
bool mq_turn_same(const mq_turn *a, const mq_turn *b);
/* Does it leave every axis where it is? */
bool mq_turn_none(const mq_turn *t);

/* Can n compute on turned inputs what it computes on plain ones? Then its outputs are turned too, or, when
 * !mq_turn_gives_turned, the same. */
bool mq_turn_fits(const mq_node *n, const mq_turn *t);
bool mq_turn_gives_turned(const mq_node *n, const mq_turn *t);
/* Is input i of a node that fits a tensor that has to be turned (false: nothing to do, or a constant)? */
bool mq_turn_takes(const mq_node *n, size_t i, const mq_turn *t);
/* `n`, whose inputs for which mq_turn_takes are turned already, gets attributes and constants for turned tensors. */
mq_status mq_turn_apply(mq_node *n, const mq_turn *t, mq_error *err);
/* The type of v turned; NULL when v has none, or out of memory. */
mq_type *mq_turn_type(const mq_value *v, const mq_turn *t);

#endif
