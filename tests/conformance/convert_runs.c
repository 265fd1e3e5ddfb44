/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Converts models for convert_models.py and convert_random.py; it judges nothing.
 *
 * With "--passes": prints the names of all passes. Else, for each line "model<TAB>output<TAB>what" on standard input:
 * saves what becomes of the model. `what` is the name of a target (its passes to the fixed point) or names with commas
 * between, each run once in that order. Prints "ok<TAB>changes<TAB>pass=changes,...", or "status<TAB>error"; changes of
 * all passes to the fixed point must be 0 for what is there already. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/evaluate.h"
#include "graph/verify.h"
#include "mq/model.h"
#include "ops/ops.h"
#include "passes/pass.h"

#define LINE 8192
#define FOLD_LIMIT (16u << 20)

/* What was done to a model: in all, and by each pass. */
typedef struct changes {
    size_t n, by_pass[MQ_MAX_CONVERT_PASSES];
} changes;

static const mq_convert_pass *find_pass(const char *name)
{
    for (size_t i = 0; mq_convert_passes[i].pass; i++)
        if (strcmp(mq_convert_passes[i].pass->name, name) == 0)
            return &mq_convert_passes[i];
    return NULL;
}

/* The bit of mq_pass_target; 0: no such target. */
static unsigned target_of(const char *name)
{
    static const char *const names[] = { "onnx", "onnxruntime", "portable" };

    for (unsigned i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return 1u << i;
    return 0;
}

static mq_status run_all(mq_model *m, unsigned target, const mq_pass_ctx *ctx, changes *done, mq_error *err)
{
    mq_convert_run run = { .n_rounds = 0 };
    mq_status rc;

    for (size_t i = 0; mq_convert_passes[i].pass; i++)
        run.on[i] = mq_convert_passes[i].targets & target;
    rc = mq_passes_settle(m, &run, ctx, err);
    for (size_t i = 0; mq_convert_passes[i].pass; i++)
        done->n += done->by_pass[i] = run.n_changed[i];
    done->n += run.n_dropped;
    if (rc == MQ_OK && !run.settled)
        rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "passes do not settle");
    return rc;
}

static mq_status run_some(mq_model *m, char *names, const mq_pass_ctx *ctx, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (char *name = strtok(names, ","); name && rc == MQ_OK; name = strtok(NULL, ",")) {
        const mq_convert_pass *row = find_pass(name);
        const mq_pass *list[] = { row ? row->pass : NULL, NULL };

        if (!row)
            return mq_fail(err, MQ_ERR_USAGE, "no pass '%s'", name);
        if (mq_opset_of(m->graph, "") >= row->opset)
            rc = mq_passes_run(m, list, ctx, err);
    }
    return rc;
}

static mq_status convert(const char *in, const char *out, char *what, changes *done, mq_error *err)
{
    mq_save_opts opts = mq_save_opts_default();
    mq_evaluator *e = NULL;
    mq_model *m = NULL;
    mq_status rc;

    opts.force = true;
    MQ_TRY(mq_evaluator_create(&e, 1, err));
    MQ_TRY(mq_model_load(&m, in, err));
    MQ_TRY(mq_model_verify(m, err));
    const mq_pass_ctx ctx = { .evaluate = mq_evaluator_run, .user = e, .fold_limit = FOLD_LIMIT, .for_file = true };

    if (target_of(what))
        MQ_TRY(run_all(m, target_of(what), &ctx, done, err));
    else
        MQ_TRY(run_some(m, what, &ctx, err));
    MQ_TRY(mq_model_save(m, out, &opts, NULL, NULL, err));
done:
    mq_model_free(m);
    mq_evaluator_free(e);
    return rc;
}

static void do_line(char *line)
{
    const char *in = strtok(line, "\t"), *out = strtok(NULL, "\t");
    char *what = strtok(NULL, "\n");
    changes c = { .n = 0 };
    mq_error err = { 0 };
    mq_status rc = in && out && what ? convert(in, out, what, &c, &err)
                                     : mq_fail(&err, MQ_ERR_USAGE, "a line has three fields");

    if (rc == MQ_OK)
        printf("ok\t%zu\t", c.n);
    else
        printf("%s\t%s", mq_status_name(rc), err.text);
    for (size_t i = 0; rc == MQ_OK && mq_convert_passes[i].pass; i++)
        if (c.by_pass[i])
            printf("%s=%zu,", mq_convert_passes[i].pass->name, c.by_pass[i]);
    putchar('\n');
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[LINE];

    if (argc > 1 && strcmp(argv[1], "--passes") == 0) {
        for (size_t i = 0; mq_convert_passes[i].pass; i++)
            puts(mq_convert_passes[i].pass->name);
        return 0;
    }
    while (fgets(line, sizeof line, stdin))
        do_line(line);
    return 0;
}
