/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Loads a model and saves it without a change, for roundtrip.py: lines of "INPUT<tab>OUTPUT" from standard input, a line
 * "ok" or "STATUS: text" for each on standard output. */
#include <stdio.h>
#include <string.h>

#include "mq/model.h"

static mq_status copy_model(const char *in, const char *out, mq_error *err)
{
    mq_save_opts opts = mq_save_opts_default();
    mq_model *m = NULL;
    mq_status rc = mq_model_load(&m, in, err);

    opts.force = true;
    if (rc == MQ_OK)
        rc = mq_model_save(m, out, &opts, NULL, NULL, err);
    mq_model_free(m);
    return rc;
}

int main(void)
{
    char line[8192];

    while (fgets(line, sizeof line, stdin)) {
        mq_error err = { 0 };
        char *out = strchr(line, '\t');
        line[strcspn(line, "\n")] = '\0';
        if (!out)
            return 2;
        *out++ = '\0';
        if (copy_model(line, out, &err) == MQ_OK)
            puts("ok");
        else
            printf("%s: %s\n", mq_status_name(err.status), err.text);
        fflush(stdout);
    }
    return 0;
}
