/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* JSON as text, whole or not at all. */
#include "base/json_print.h"

#include "base/str.h"

static int append(const char *text, size_t n, void *user)
{
    mq_str *out = user;

    mq_str_add_n(out, text, n);
    return out->failed ? -1 : 0;
}

char *mq_json_print(const json_t *value, size_t flags)
{
    mq_str out = { 0 };

    if (json_dump_callback(value, append, &out, flags) == 0 && !out.failed)
        return out.s;
    mq_str_release(&out);
    return NULL;
}
