/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What stands before any work on a model: what can be put right is, what is invalid is refused. */
#ifndef MQ_API_SOUND_H
#define MQ_API_SOUND_H

#include "graph/graph.h"

/* Puts right, in memory, what the specification's checker refuses and every runtime takes: the order of nodes, and "ai.onnx"
 * spelled out. Each is a warning about `place`. MQ_ERR_INPUT for a cycle. */
mq_status mq_sound_mend(mq_model *m, const char *place, const mq_hooks *hooks, mq_error *err);

/* MQ_ERR_INPUT with the first of the checker's errors. `but`: a code that does not count, or NULL. */
mq_status mq_sound_check(mq_model *m, const char *place, const char *but, const mq_hooks *hooks, mq_error *err);

#endif
