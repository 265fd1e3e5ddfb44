/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reads a file of JSON, and tells bad syntax from a lack of memory. */
#include "data/json_file.h"

#include <errno.h>
#include <stdio.h>

mq_status mq_json_load(json_t **root, const char *path, mq_error *err)
{
    json_error_t why;
    FILE *f = fopen(path, "r");
    bool no_memory;

    if (!f)
        return mq_fail_errno(err, errno == ENOMEM ? MQ_ERR_NOMEM : MQ_ERR_INPUT, "open", path);
    errno = 0;
    *root = json_loadf(f, JSON_REJECT_DUPLICATES, &why);
    no_memory = errno == ENOMEM; /* jansson calls some of it a syntax error */
    fclose(f);
    if (*root)
        return MQ_OK;
    if (no_memory)
        return mq_oom(err);
    mq_fail(err, MQ_ERR_INPUT, "%s:%d: %s", path, why.line, why.text);
    mq_error_one_line(err); /* jansson quotes what it stumbled over, line ends too */
    return MQ_ERR_INPUT;
}
