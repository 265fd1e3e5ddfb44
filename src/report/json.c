/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The JSON form: the document as it is, indented, members in their order. */
#include "report/internal.h"

/* Nine digits: enough for any figure that is read, and 0.1 stays 0.1. */
enum { DIGITS = 9 };

static int append(const char *text, size_t n, void *user)
{
    mq_str *out = user;
    mq_str_add_n(out, text, n);
    return out->failed ? -1 : 0;
}

void mq_render_json(const json_t *document, mq_str *out)
{
    if (json_dump_callback(document, append, out, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS)) != 0)
        out->failed = true;
    mq_str_add(out, "\n");
}
