/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Another number of samples in a batch than a model was exported with. */
#ifndef MQ_TRAIN_REBATCH_H
#define MQ_TRAIN_REBATCH_H

#include "graph/graph.h"

/* Axis 0 of every input of m (a private copy, no initializer among the inputs) has `batch` elements from now on. What the
 * file says of other values' shapes is dropped. Where inputs had a number there, exporters may have written it into
 * constants of Reshape: such a first element becomes 0 (as the input has it) or -1 (what is left), which is the same for the
 * old number. Types are to be inferred again. Errors: MQ_ERR_UNSUPPORTED for an input without such an axis; MQ_ERR_NOMEM. */
mq_status mq_rebatch(mq_model *m, int64_t batch, mq_error *err);

#endif
