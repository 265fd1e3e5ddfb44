/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a model would be given: data_dump MODEL OUT.npz [--data X | --labels X | --preprocess X | --fill X | --carry
 * X | --shape X | --dim X | --samples N | --batch N | --seed N | --skip-bad]... Writes every input of every run as
 * "in.NAME" (joined or numbered as outputs are), references as "want.NAME", labels as "labels", and prints notes,
 * warnings, and a line per run: the samples, rows, and whether state begins anew. The exit status is mq's. For
 * data_reads.py; it judges nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "mq/model.h"
#include "ops/ops.h"

#define MAX_VALUES 64

struct list {
    const char *option;
    const char *values[MAX_VALUES];
    size_t n;
};

static struct list lists[] = { { .option = "--data" },  { .option = "--labels" }, { .option = "--preprocess" },
                               { .option = "--fill" },
                               { .option = "--carry" }, { .option = "--shape" },  { .option = "--dim" } };
static mq_data_opts opts;

static void warn(void *user, const mq_warning *w)
{
    (void)user;
    printf("warning %s: %s\n", w->code, w->text);
}

static const mq_hooks hooks = { .warn = warn };

static int fail(const mq_error *err)
{
    fprintf(stderr, "%s\n", err->text);
    return -err->status < 6 ? -err->status : 5;
}

static int parse(int argc, char **argv)
{
    for (int i = 3; i < argc; i++) {
        bool known = false;

        if (strcmp(argv[i], "--skip-bad") == 0) {
            opts.skip_bad = true;
            continue;
        }
        if (i + 1 == argc)
            return 2;
        for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
            if (strcmp(argv[i], lists[k].option) == 0 && lists[k].n < MAX_VALUES) {
                lists[k].values[lists[k].n++] = argv[i + 1];
                known = true;
            }
        if (!known && strcmp(argv[i], "--samples") == 0)
            opts.samples = strtoull(argv[i + 1], NULL, 10);
        else if (!known && strcmp(argv[i], "--batch") == 0)
            opts.batch = strtoll(argv[i + 1], NULL, 10);
        else if (!known && strcmp(argv[i], "--seed") == 0)
            opts.seed = strtoull(argv[i + 1], NULL, 10);
        else if (!known)
            return 2;
        i++;
    }
    opts.data = lists[0].values, opts.n_data = lists[0].n;
    opts.labels = lists[1].values, opts.n_labels = lists[1].n;
    opts.preprocess = lists[2].values, opts.n_preprocess = lists[2].n;
    opts.fills = lists[3].values, opts.n_fills = lists[3].n;
    opts.carry = lists[4].values, opts.n_carry = lists[4].n;
    return 0;
}

static mq_results *make_results(const mq_model *m)
{
    const mq_value_vec *lists_of[] = { &m->graph->inputs, &m->graph->outputs };
    const char *names[2 * MAX_VALUES + 1];
    char text[2 * MAX_VALUES + 1][256];
    mq_results *r = NULL;
    size_t n = 0;

    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < lists_of[k]->n && n < 2 * MAX_VALUES; i++, n++) {
            snprintf(text[n], sizeof text[n], "%s.%s", k ? "want" : "in", lists_of[k]->items[i]->name);
            names[n] = text[n];
        }
    names[n++] = "labels";
    return mq_results_create(&r, names, n, NULL) == MQ_OK ? r : NULL;
}

static mq_status add_call(mq_results *r, const mq_model *m, const mq_data_call *call, mq_error *err)
{
    const size_t n = m->graph->inputs.n, k = m->graph->outputs.n;
    mq_data_call exact = *call; /* of references and labels there are n, not rows */
    mq_status rc = MQ_OK;

    exact.rows = call->rows ? call->n : 0;
    printf("run n=%zu rows=%zu restart=%d samples=", call->n, call->rows, call->restart);
    for (size_t i = 0; i < call->n; i++)
        printf(i ? ",%llu" : "%llu", (unsigned long long)call->samples[i]);
    printf("\n");
    for (size_t i = 0; i < n && rc == MQ_OK; i++)
        rc = mq_results_add(r, i, call->in[i], call, err);
    for (size_t i = 0; i < k && rc == MQ_OK; i++)
        rc = mq_results_add(r, n + i, call->want[i], &exact, err);
    exact.rows = call->n;
    return rc == MQ_OK ? mq_results_add(r, n + k, call->labels, &exact, err) : rc;
}

int main(int argc, char **argv)
{
    const char *const *notes;
    const mq_data_call *call = NULL;
    mq_model *m = NULL;
    mq_dataset *ds = NULL;
    mq_results *r;
    mq_error err = { 0 };
    char where[512];

    if (argc < 3 || parse(argc, argv) != 0) {
        fprintf(stderr, "usage: data_dump MODEL OUT.npz [--data X]...\n");
        return 2;
    }
    if (mq_model_load(&m, argv[1], &err) != MQ_OK ||
        mq_shapes_apply(m, lists[5].values, lists[5].n, lists[6].values, lists[6].n, &err) != MQ_OK ||
        mq_infer_model(m, NULL, NULL, &err) != MQ_OK ||
        mq_dataset_open(&ds, &opts, (const mq_value *const *)m->graph->inputs.items, m->graph->inputs.n,
                        (const mq_value *const *)m->graph->outputs.items, m->graph->outputs.n, &hooks, &err) != MQ_OK) {
        mq_model_free(m);
        return fail(&err);
    }
    r = make_results(m);
    for (err.status = MQ_OK; r && err.status == MQ_OK;) {
        if (mq_dataset_next(ds, &call, &err) != MQ_OK || !call || add_call(r, m, call, &err) != MQ_OK)
            break;
        if (opts.n_carry && mq_dataset_carry(ds, call->want, &err) != MQ_OK)
            break;
    }
    if (r && err.status == MQ_OK)
        mq_results_save(r, argv[2], true, false, &err);
    for (size_t i = 0, n = mq_dataset_notes(ds, &notes); i < n; i++)
        printf("note %s\n", notes[i]);
    mq_dataset_sample_text(ds, 0, where, sizeof where);
    printf("samples %llu of %llu, first '%s', nonfinite %llu %s, skipped %llu\n",
           (unsigned long long)mq_dataset_n_samples(ds),
           (unsigned long long)mq_dataset_n_total(ds), where, (unsigned long long)mq_dataset_counts(ds)->nonfinite,
           mq_dataset_counts(ds)->first_nonfinite, (unsigned long long)mq_dataset_counts(ds)->skipped);
    mq_results_free(r);
    mq_dataset_free(ds);
    mq_model_free(m);
    return err.status == MQ_OK ? 0 : fail(&err);
}
