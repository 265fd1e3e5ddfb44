/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Prints what inference makes of models: for each path read from standard input a line "@<TAB>path", then one line
 * "name<TAB>type" per value of the main graph and "!<TAB>node<TAB>finding", or "E<TAB>error" when it does not load. For
 * infer_nodes.py; it judges nothing. */
#include <stdio.h>
#include <string.h>

#include "graph/graph.h"
#include "mq/model.h"
#include "ops/ops.h"

#define TEXT 4096

static void print_finding(void *user, const mq_node *n, const char *text)
{
    (void)user;
    printf("!\t%s %s\t%s\n", n ? n->op_type : "-", n ? mq_node_label(n) : "-", text);
}

static void print_values(const mq_model *m)
{
    char text[TEXT];

    for (size_t i = 0; m->graph && i < m->graph->values.n; i++) {
        const mq_value *v = m->graph->values.items[i];

        mq_type_text(v->type, text, sizeof text);
        printf("%s\t%s\n", v->name, text);
    }
}

static void dump(const char *path)
{
    mq_model *m = NULL;
    mq_error err = { 0 };

    printf("@\t%s\n", path);
    if (mq_model_load(&m, path, &err) != MQ_OK || mq_infer_model(m, print_finding, NULL, &err) != MQ_OK)
        printf("E\t%s\n", err.text);
    else
        print_values(m);
    mq_model_free(m);
    fflush(stdout);
}

int main(void)
{
    char path[TEXT];

    while (fgets(path, sizeof path, stdin)) {
        path[strcspn(path, "\n")] = '\0';
        dump(path);
    }
    return 0;
}
