/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The defaults of training. */
#include "mq/train.h"

mq_train_opts mq_train_opts_default(void)
{
    return (mq_train_opts){
        .epochs = 30, .batch = 64, .early_stop = 5, .optimizer = "adam", .lr = 1e-3, .momentum = 0.9,
        .lr_schedule = "cosine", .temperature = 4, .alpha = 0.9,
    };
}
