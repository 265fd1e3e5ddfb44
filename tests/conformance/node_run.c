/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Runs ONNX test folders in the engine: node_run [--reference] FOLDER... A line per folder: "ok", "refused REASON" or "WRONG
 * REASON". Exit 1 when one is wrong. What users call is `mq check --tests`; this one can leave out rewrites and fast
 * kernels. */
#include <stdio.h>
#include <string.h>

#include "mq/run.h"

static void print(void *user, const char *folder, mq_test_outcome outcome, const char *text)
{
    static const char *const words[] = { "ok", "WRONG", "refused", "WRONG", "random" };

    (void)user;
    printf("%s %s%s%s\n", folder, words[outcome], *text ? " " : "", text);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    mq_tests_opts opts = { .outcome = print };
    const mq_hooks hooks = { .n_threads = 2 };
    mq_error err;
    int bad = 0;

    for (int i = 1; i < argc; i++) {
        mq_tests_summary sum;

        if (strcmp(argv[i], "--reference") == 0) {
            opts.reference = true;
        } else if (mq_check_tests(argv[i], &opts, NULL, &hooks, &sum, &err) != MQ_OK) {
            printf("%s WRONG %s\n", argv[i], err.text);
            bad = 1;
        } else {
            bad |= sum.n_differs + sum.n_broken > 0;
        }
    }
    return bad;
}
