/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Are tensors and attributes equal, and how are they said? For diff.c. */
#ifndef MQ_CONVERT_DIFF_VALUES_H
#define MQ_CONVERT_DIFF_VALUES_H

#include "base/str.h"
#include "graph/graph.h"

/* What differs, in words, into `text`: nothing is added when nothing does. Contents are read where type and shape agree. */
mq_status mq_diff_tensors(mq_tensor *a, mq_tensor *b, mq_str *text, mq_error *err);

/* Attributes without graphs: *same says whether they are equal. */
mq_status mq_diff_attrs(const mq_attr *a, const mq_attr *b, bool *same, mq_error *err);
/* "1", "[1,1,0]", "'same'", "float[2,3]"; NULL: "none". */
void mq_diff_attr_text(const mq_attr *a, mq_str *to);
/* "float[64,3,7,7]". */
void mq_diff_tensor_text(const mq_tensor *t, mq_str *to);

#endif
