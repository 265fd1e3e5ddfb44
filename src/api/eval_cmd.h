/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --eval-cmd: a command of the user's own says how good a model is. */
#ifndef MQ_API_EVAL_CMD_H
#define MQ_API_EVAL_CMD_H

#include <stdbool.h>

#include "base/error.h"

typedef struct mq_eval {
    const char *command;   /* for sh -c; {} is the quoted path, also $MQ_MODEL */
    const char *reference; /* $MQ_REFERENCE */
    const char *metric;    /* the key that counts when it prints a JSON object; NULL: it prints a number */
    const mq_hooks *hooks;
} mq_eval;

/* Runs the command on the model at that path. MQ_ERR_SYSTEM when it fails, or prints neither a number nor an object with
 * the key; MQ_ERR_USAGE for an object without `metric`. */
mq_status mq_eval_run(const mq_eval *e, const char *path, double *value, mq_error *err);

/* How much worse `value` is: points where both lie between 0 and 1, else a share of `first`. */
double mq_eval_drop(double first, double value, bool lower_is_better);

#endif
