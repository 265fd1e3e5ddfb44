/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Rules that only the file shows: which fields are present, and the files beside it. */
#ifndef MQ_MODEL_WIRE_CHECK_H
#define MQ_MODEL_WIRE_CHECK_H

#include "graph/finding.h"

/* Adds what breaks ONNX's rules in the messages that m was read from; m must be as it was loaded. Codes:
 * metadata-duplicate, value-name, value-type, tensor-name, attr-name, attr-type, attr-value, function-domain,
 * external-*. */
mq_status mq_wire_check(const mq_model *m, mq_findings *fs, mq_error *err);

#endif
