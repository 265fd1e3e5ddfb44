/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The options of training, for every command that trains. */
#ifndef CLI_TRAINING_H
#define CLI_TRAINING_H

#include "cli/session.h"
#include "mq/train.h"

/* For a command's list of options; what is learned from and judged on are those of source.h. */
#define CLI_TRAINING_OPTS                                                                                            \
    OPT_EPOCHS, OPT_EARLY_STOP, OPT_VAL_SPLIT, OPT_OPTIMIZER, OPT_LR, OPT_MOMENTUM, OPT_WEIGHT_DECAY, OPT_CLIP_GRAD, \
        OPT_LR_SCHEDULE, OPT_LR_WARMUP, OPT_LOSS, OPT_TEMPERATURE, OPT_ALPHA, OPT_LABEL_SMOOTHING, OPT_HARD,         \
        OPT_AUGMENT, OPT_CHECKPOINT, OPT_RESUME

/* What the options say, --batch and --seed among them; borrowed from the session. */
mq_train_opts cli_train_opts(const cli_session *s);
/* --val-data and --val-labels; without them it has no data. */
mq_data_source cli_judge_source(const cli_session *s);

/* Options of training that contradict each other are MQ_ERR_USAGE. */
mq_status cli_check_training(const cli_options *o, mq_error *err);

#endif
