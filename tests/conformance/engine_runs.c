/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Runs models on several sets of inputs: engine_runs [--threads-at-once] FOLDER... A folder holds model.onnx and 0.in,
 * 1.in, ...; each gets its N.out. One engine runs all sets, with one thread and with two, forwards, then backwards: every
 * run of a set must give the same bytes. With --threads-at-once two executions of the engine run at the same time
 * instead, and must give the bytes of the N.out that are there.
 *
 * A file is a list of tensors: a line "NAME TYPE DIM DIM ...\n" (TYPE as in ONNX's DataType), then the elements. A line per
 * folder comes out: "ok FOLDER", "refused FOLDER REASON", "WRONG FOLDER REASON". */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mq/run.h"

enum { MAX_TENSORS = 64, MAX_SETS = 16, MAX_NAME = 256, ROUNDS = 2 };

typedef struct tensor {
    char name[MAX_NAME];
    mq_view view;
} tensor;

typedef struct list {
    tensor t[MAX_TENSORS];
    size_t n;
} list;

typedef struct job {
    mq_engine *engine;
    list in[MAX_SETS], out[MAX_SETS]; /* out: of the first run of a set */
    size_t n_sets;
    bool at_once;
    mq_error err;
} job;

/* A thread's runs. */
typedef struct turn {
    job *j;
    mq_execution *x;
    mq_status rc;
    mq_error err;
} turn;

static _Noreturn void give_up(const char *what, const char *where)
{
    fprintf(stderr, "engine_runs: %s: %s\n", what, where);
    exit(2);
}

static void *must(void *p)
{
    if (!p)
        give_up("out of memory", "");
    return p;
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

static bool read_tensor(FILE *f, tensor *t, const char *path)
{
    char line[1024], *at, *end;
    int used = 0;
    void *data;

    if (!fgets(line, sizeof line, f))
        return false;
    if (sscanf(line, "%255s %d%n", t->name, &t->view.type, &used) != 2)
        give_up("bad line", path);
    for (at = line + used; t->view.rank < MQ_VIEW_MAX_RANK; at = end) {
        const long long d = strtoll(at, &end, 10);

        if (end == at)
            break;
        t->view.dims[t->view.rank++] = d;
    }
    if (fscanf(f, "%zu", &t->view.n_bytes) != 1 || fgetc(f) != '\n')
        give_up("no size", path);
    data = must(malloc(t->view.n_bytes + 1));
    if (fread(data, 1, t->view.n_bytes, f) != t->view.n_bytes)
        give_up("short file", path);
    t->view.data = data;
    return true;
}

static bool read_list(const char *folder, size_t set, const char *what, list *l)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/%zu.%s", folder, set, what);
    if (!(f = fopen(path, "rb")))
        return false;
    while (l->n < MAX_TENSORS && read_tensor(f, &l->t[l->n], path))
        l->n++;
    fclose(f);
    return true;
}

static void write_list(const char *folder, size_t set, const list *l)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/%zu.out", folder, set);
    f = must(fopen(path, "wb"));
    for (size_t i = 0; i < l->n; i++) {
        const mq_view *v = &l->t[i].view;

        fprintf(f, "%s %d", l->t[i].name, v->type);
        for (int d = 0; d < v->rank; d++)
            fprintf(f, " %lld", (long long)v->dims[d]);
        fprintf(f, "\n%zu\n", v->n_bytes);
        fwrite(v->data, 1, v->n_bytes, f);
    }
    if (fclose(f) != 0)
        give_up("cannot write", path);
}

static void free_list(list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free((void *)(uintptr_t)l->t[i].view.data);
    l->n = 0;
}

/* ---- runs --------------------------------------------------------------------------------------------------------- */

static bool same(const mq_view *a, const mq_view *b)
{
    return a->type == b->type && a->rank == b->rank && memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0 &&
           a->n_bytes == b->n_bytes && (a->n_bytes == 0 || memcmp(a->data, b->data, a->n_bytes) == 0);
}

static mq_status run(turn *t, size_t set)
{
    const list *in = &t->j->in[set];
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < in->n && rc == MQ_OK; i++)
        rc = mq_execution_set(t->x, in->t[i].name, &in->t[i].view, &t->err);
    return rc == MQ_OK ? mq_execution_run(t->x, &t->err) : rc;
}

/* The first results of a set: kept. */
static mq_status keep(turn *t, list *l)
{
    const char *name;
    mq_status rc = MQ_OK;

    for (; (name = mq_engine_output(t->j->engine, l->n)) && l->n < MAX_TENSORS && rc == MQ_OK; l->n++) {
        tensor *o = &l->t[l->n];

        snprintf(o->name, sizeof o->name, "%s", name);
        if ((rc = mq_execution_get(t->x, name, &o->view, &t->err)) != MQ_OK)
            break;
        o->view.data = memcpy(must(malloc(o->view.n_bytes + 1)), o->view.data, o->view.n_bytes);
    }
    return rc;
}

static mq_status compare(turn *t, size_t set)
{
    const list *want = &t->j->out[set];

    for (size_t i = 0; i < want->n; i++) {
        mq_view v;
        mq_status rc = mq_execution_get(t->x, want->t[i].name, &v, &t->err);

        if (rc != MQ_OK)
            return rc;
        if (!same(&v, &want->t[i].view)) {
            snprintf(t->err.text, sizeof t->err.text, "output '%s' of set %zu has other bytes than before",
                     want->t[i].name, set);
            return MQ_ERR_INPUT;
        }
    }
    return MQ_OK;
}

/* All sets forwards, then backwards: a run finds what others have left behind. */
static void *take_turn(void *arg)
{
    turn *t = arg;
    const size_t n = t->j->n_sets;

    for (size_t k = 0; k < ROUNDS * n && t->rc == MQ_OK; k++) {
        const size_t set = k / n % 2 ? n - 1 - k % n : k % n;

        if ((t->rc = run(t, set)) == MQ_OK)
            t->rc = compare(t, set);
    }
    return NULL;
}

static mq_status run_all(job *j)
{
    turn t[2] = { { .j = j }, { .j = j } };
    pthread_t thread[2];
    mq_status rc = MQ_OK;

    for (int i = 0; i < 2 && rc == MQ_OK; i++)
        rc = mq_execution_create(&t[i].x, j->engine, j->at_once ? 1 : i + 1, &j->err);
    for (int i = 0; i < 2 && rc == MQ_OK && j->at_once; i++)
        if (pthread_create(&thread[i], NULL, take_turn, &t[i]) != 0)
            give_up("no thread", "");
    for (size_t set = 0; set < j->n_sets && rc == MQ_OK && !j->at_once; set++)
        if ((rc = run(&t[0], set)) == MQ_OK)
            rc = keep(&t[0], &j->out[set]);
    for (int i = 0; i < 2 && rc == MQ_OK; i++) {
        if (j->at_once)
            pthread_join(thread[i], NULL);
        else
            take_turn(&t[i]);
    }
    for (int i = 0; i < 2; i++) {
        if (t[i].rc != MQ_OK && rc == MQ_OK)
            rc = t[i].rc;
        if (*t[i].err.text)
            j->err = t[i].err;
        mq_execution_free(t[i].x);
    }
    return rc;
}

static bool folder(const char *path, bool at_once)
{
    static job j;
    char model[4096];
    mq_model *m = NULL;
    mq_status rc;

    memset(&j, 0, sizeof j);
    j.at_once = at_once;
    snprintf(model, sizeof model, "%s/model.onnx", path);
    while (j.n_sets < MAX_SETS && read_list(path, j.n_sets, "in", &j.in[j.n_sets]))
        j.n_sets++;
    for (size_t i = 0; at_once && i < j.n_sets; i++)
        read_list(path, i, "out", &j.out[i]);
    if ((rc = mq_model_load(&m, model, &j.err)) == MQ_OK && (rc = mq_engine_create(&j.engine, m, NULL, &j.err)) == MQ_OK)
        rc = run_all(&j);
    for (size_t i = 0; i < j.n_sets; i++) {
        if (rc == MQ_OK && !at_once)
            write_list(path, i, &j.out[i]);
        free_list(&j.in[i]);
        free_list(&j.out[i]);
    }
    mq_engine_free(j.engine);
    mq_model_free(m);
    printf("%s %s %s\n", rc == MQ_OK ? "ok" : rc == MQ_ERR_UNSUPPORTED ? "refused" : "WRONG", path,
           rc == MQ_OK ? "" : j.err.text);
    fflush(stdout);
    return rc == MQ_OK || rc == MQ_ERR_UNSUPPORTED;
}

int main(int argc, char **argv)
{
    bool at_once = false, ok = true;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--threads-at-once") == 0)
            at_once = true;
        else
            ok &= folder(argv[i], at_once);
    }
    return ok ? 0 : 1;
}
