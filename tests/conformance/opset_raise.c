/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Raises the opset of models, for opset_raise.py; it judges nothing.
 *
 * With "--rows": prints each row of the adapter table, "name<TAB>version". Else, for each line
 * "model<TAB>opset<TAB>output" on standard input: infers types, raises, saves, and prints "ok<TAB>warning", or
 * "status<TAB>error". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mq/model.h"
#include "ops/adapters.h"

#define LINE 8192

static void print_rows(void)
{
    const mq_op_adapter *row;

    for (size_t i = 0; (row = mq_adapter_at(i)); i++)
        printf("%s\t%d\n", row->name, row->to);
}

static void keep_warning(void *user, const mq_warning *w)
{
    snprintf(user, LINE, "%s", w->text);
}

static mq_status raise_file(const char *in, int opset, const char *out, char *warning, mq_error *err)
{
    const mq_hooks hooks = { .user = warning, .warn = keep_warning };
    mq_save_opts opts = mq_save_opts_default();
    mq_model *m = NULL;
    mq_status rc;

    opts.force = true;
    MQ_TRY(mq_model_load(&m, in, err));
    MQ_TRY(mq_infer_model(m, NULL, NULL, err));
    MQ_TRY(mq_opset_raise(m, opset, &hooks, err));
    MQ_TRY(mq_model_save(m, out, &opts, NULL, NULL, err));
done:
    mq_model_free(m);
    return rc;
}

static void do_line(char *line)
{
    const char *in = strtok(line, "\t"), *opset = strtok(NULL, "\t"), *out = strtok(NULL, "\n");
    char warning[LINE] = "";
    mq_error err = { 0 };
    mq_status rc = in && opset && out ? raise_file(in, atoi(opset), out, warning, &err)
                                      : mq_fail(&err, MQ_ERR_USAGE, "a line has three fields");

    printf("%s\t%s\n", mq_status_name(rc), rc == MQ_OK ? warning : err.text);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[LINE];

    if (argc > 1 && strcmp(argv[1], "--rows") == 0) {
        print_rows();
        return 0;
    }
    while (fgets(line, sizeof line, stdin))
        do_line(line);
    return 0;
}
