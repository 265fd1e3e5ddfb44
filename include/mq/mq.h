/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Everything at once. */
#ifndef MQ_MQ_H
#define MQ_MQ_H

#include "mq/bench.h"
#include "mq/bounds.h"
#include "mq/check.h"
#include "mq/convert.h"
#include "mq/diff.h"
#include "mq/distill.h"
#include "mq/inspect.h"
#include "mq/isa.h"
#include "mq/layers.h"
#include "mq/merge.h"
#include "mq/model.h"
#include "mq/prune.h"
#include "mq/quantize.h"
#include "mq/report.h"
#include "mq/run.h"
#include "mq/split.h"
#include "mq/status.h"
#include "mq/train.h"
#include "mq/version.h"

#endif
