/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Saves a model with its large tensors in OUT.data, for the examples' tests: externalize IN OUT. */
#include "mq/model.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    mq_save_opts opts = mq_save_opts_default();
    mq_model *model = NULL;
    mq_error err = { 0 };
    mq_status rc;

    if (argc != 3)
        return 2;
    opts.force = true;
    opts.external = MQ_EXTERNAL_FILE;
    rc = mq_model_load(&model, argv[1], &err);
    if (rc == MQ_OK)
        rc = mq_model_save(model, argv[2], &opts, NULL, NULL, &err);
    if (rc != MQ_OK)
        fprintf(stderr, "externalize: %s\n", err.text);
    mq_model_free(model);
    return rc != MQ_OK;
}
