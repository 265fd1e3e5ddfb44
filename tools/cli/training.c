/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Options of training become what the library takes. */
#include "cli/training.h"

#include "cli/fail.h"
#include "cli/source.h"
#include "cli/writing.h"

enum { DEFAULT_BATCH = 64 };

mq_train_opts cli_train_opts(const cli_session *s)
{
    mq_train_opts o = mq_train_opts_default();

    o.epochs = cli_get(s, OPT_EPOCHS)->number;
    o.batch = cli_get(s, OPT_BATCH)->given ? cli_get(s, OPT_BATCH)->number : DEFAULT_BATCH;
    o.early_stop = cli_get(s, OPT_EARLY_STOP)->number;
    o.optimizer = cli_get(s, OPT_OPTIMIZER)->text;
    o.lr = cli_get(s, OPT_LR)->real;
    o.momentum = cli_get(s, OPT_MOMENTUM)->real;
    o.weight_decay = cli_get(s, OPT_WEIGHT_DECAY)->real;
    o.clip_grad = cli_get(s, OPT_CLIP_GRAD)->given ? cli_get(s, OPT_CLIP_GRAD)->real : 0;
    o.lr_schedule = cli_get(s, OPT_LR_SCHEDULE)->text;
    o.lr_warmup = cli_get(s, OPT_LR_WARMUP)->number;
    o.losses = cli_names(s, OPT_LOSS);
    o.temperature = cli_get(s, OPT_TEMPERATURE)->real;
    o.alpha = cli_get(s, OPT_ALPHA)->real;
    o.label_smoothing = cli_get(s, OPT_LABEL_SMOOTHING)->real;
    o.hard = cli_get(s, OPT_HARD)->on;
    o.augment = cli_names(s, OPT_AUGMENT);
    o.checkpoint = cli_get(s, OPT_CHECKPOINT)->text;
    o.resume = cli_get(s, OPT_RESUME)->on;
    o.seed = cli_get(s, OPT_SEED)->number;
    o.time_limit = cli_get(s, OPT_TIME_LIMIT)->real;
    return o;
}

mq_data_source cli_judge_source(const cli_session *s)
{
    mq_data_source o = cli_source(s);

    o.data = cli_get(s, OPT_VAL_DATA)->items;
    o.n_data = cli_get(s, OPT_VAL_DATA)->n_items;
    o.labels = cli_get(s, OPT_VAL_LABELS)->items;
    o.n_labels = cli_get(s, OPT_VAL_LABELS)->n_items;
    o.samples = 0;
    o.val = true;
    return o;
}

mq_status cli_check_training(const cli_options *o, mq_error *err)
{
    if (o->values[OPT_VAL_SPLIT].given && o->values[OPT_VAL_DATA].given)
        return cli_fail(err, MQ_ERR_USAGE, "--val-split holds nothing out where --val-data is given");
    if (o->values[OPT_VAL_LABELS].given && !o->values[OPT_VAL_DATA].given)
        return cli_fail(err, MQ_ERR_USAGE, "--val-labels belong to --val-data, which is not given");
    if (o->values[OPT_TIME_LIMIT].given && o->values[OPT_TIME_LIMIT].real <= 0)
        return cli_fail(err, MQ_ERR_USAGE, "--time-limit is more than 0");
    if (o->values[OPT_RESUME].on && !o->values[OPT_CHECKPOINT].given)
        return cli_fail(err, MQ_ERR_USAGE, "--resume goes on from --checkpoint DIR, which is not given");
    return MQ_OK;
}
