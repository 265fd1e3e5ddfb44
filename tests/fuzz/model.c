/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Fuzz target: any bytes as a model file through everything that the commands do: load, save unchanged, check, inspect,
 * and what is in model_tools.c: quantize, convert, run. Built without a fuzzer (MQ_REPLAY) it is a program that runs
 * the files and folders named on its command line. Besides crashes it looks for broken promises: saving is stable, a
 * valid model stays valid. */
#include "model.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "graph/array.h"
#include "graph/graph.h"
#include "model/save.h"
#include "model/tensor_file.h"
#include "mq/check.h"
#include "mq/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

_Noreturn void broken(const char *promise, const mq_error *err)
{
    fprintf(stderr, "fuzz: broken promise: %s: %s\n", promise, err ? err->text : "");
    abort();
}

int file_of(const void *data, size_t size)
{
    int fd = memfd_create("model", MFD_CLOEXEC);

    if (fd < 0 || (size && write(fd, data, size) != (ssize_t)size)) {
        perror("memfd");
        exit(2);
    }
    return fd;
}

mq_model *load(const void *data, size_t size)
{
    mq_error err = { 0 };
    mq_model *m = NULL;
    mq_status rc = mq_model_load_fd(&m, file_of(data, size), "fuzz.onnx", &err);

    if (rc != MQ_OK && (rc != MQ_ERR_INPUT || !err.text[0]))
        broken("what cannot be loaded is MQ_ERR_INPUT with a sentence", &err);
    return m;
}

/* Writes m and reads it back; NULL when it cannot be written (external data, which are never there). */
static mq_model *pass_through(mq_model *m, mq_external_mode external, uint64_t *size)
{
    mq_save_opts opts = mq_save_opts_default();
    mq_saving *saving = NULL;
    mq_model *again = NULL;
    mq_error err = { 0 };
    mq_status rc;

    opts.external = external;
    rc = mq_saving_begin(&saving, m, OUTPUT, &opts, NULL, &err);
    if (rc != MQ_OK && rc != MQ_ERR_INPUT && rc != MQ_ERR_UNSUPPORTED)
        broken("a loaded model can be written", &err);
    if (rc != MQ_OK)
        return NULL;
    *size = mq_saving_sizes(saving).model_bytes;
    if (mq_saving_reload(saving, &again, &err) != MQ_OK)
        broken("a written model can be loaded", &err);
    mq_saving_abort(saving);
    return again;
}

/* What is written is the same whether it was read once or twice. */
static void check_saving(const uint8_t *data, size_t size)
{
    uint64_t first = 0, second = 0, n = 0;
    mq_model *a = load(data, size), *b, *c;

    if (!a)
        return;
    if ((b = pass_through(a, MQ_EXTERNAL_AUTO, &first)) && (c = pass_through(b, MQ_EXTERNAL_AUTO, &second))) {
        if (first != second)
            broken("a model that was saved twice has one size", NULL);
        mq_model_free(c);
    }
    mq_model_free(b);
    mq_model_free(pass_through(a, MQ_EXTERNAL_FILE, &n));
    mq_model_free(a);
}

/* Is there nothing wrong with it at all? */
static bool check(mq_model *m)
{
    mq_check_opts opts = mq_check_opts_default();
    mq_check_result *result = NULL;
    mq_error err = { 0 };
    bool clean = true;

    for (const char *const *t = mq_check_targets(); *t; t++) {
        opts.target = *t;
        if (mq_check(m, &opts, NULL, NULL, &result, &err) != MQ_OK)
            broken("every model can be checked", &err);
        clean &= result->n_findings == 0 || strcmp(*t, "onnx") != 0;
        mq_check_result_free(result);
        result = NULL;
    }
    return clean;
}

void render(const mq_report *report)
{
    for (mq_report_form form = MQ_REPORT_JSON; form <= MQ_REPORT_TEXT; form++) {
        mq_error err = { 0 };
        char *text = NULL;
        if (mq_report_render(report, form, &text, &err) != MQ_OK)
            broken("every report can be shown", &err);
        free(text);
    }
}

mq_report *new_report(const char *command)
{
    mq_error err = { 0 };
    mq_report *report = NULL;

    if (mq_report_create(&report, command, &err) != MQ_OK)
        broken("a report can be made", &err);
    return report;
}

/* Sizes for the inputs and for whatever has a name, as --shape and --dim give them. */
typedef struct sizes {
    char texts[2][512];
    const char *shapes[1], *dims[1];
    mq_input_shape shape;
    mq_dim_size dim;
    int64_t numbers[MQ_MAX_RANK];
    size_t n_shapes, n_dims;
} sizes;

static void sizes_of(sizes *s, const mq_model *m, choices *c)
{
    const unsigned n = m->graph ? (unsigned)m->graph->inputs.n : 0;
    const mq_value *v = n ? m->graph->inputs.items[choose(c, n)] : NULL;
    const int rank = (int)choose(c, 5);
    int at;

    *s = (sizes){ .shapes = { s->texts[0] }, .dims = { s->texts[1] } };
    if (!v)
        return;
    s->shape = (mq_input_shape){ .input = v->name, .rank = rank, .dims = s->numbers };
    at = snprintf(s->texts[0], sizeof s->texts[0], "%.400s=", v->name);
    for (int i = 0; i < rank; i++) {
        s->numbers[i] = choose(c, 8) ? choose(c, 9) : (int64_t)1 << choose(c, 63);
        at += snprintf(s->texts[0] + at, sizeof s->texts[0] - (size_t)at, i ? "x%lld" : "%lld", (long long)s->numbers[i]);
    }
    s->n_shapes = rank > 0;
    for (int i = 0; v->declared && i < v->declared->rank; i++) {
        const char *symbol = v->declared->dims[i].symbol;

        if (!symbol)
            continue;
        s->dim = (mq_dim_size){ symbol, choose(c, 9) };
        snprintf(s->texts[1], sizeof s->texts[1], "%.400s=%lld", symbol, (long long)s->dim.size);
        s->n_dims = 1;
    }
}

static void inspect(mq_model *m, const sizes *s)
{
    static const char *const all[] = { "*" };
    mq_inspect_opts opts = mq_inspect_opts_default();
    mq_report *report = new_report("inspect");
    mq_inspection *result = NULL;
    mq_error err = { 0 };
    mq_status rc = mq_inspect(m, NULL, report, NULL, &result, &err);

    if (rc != MQ_OK && rc != MQ_ERR_INPUT) /* a model without a graph */
        broken("every model can be inspected", &err);
    mq_inspection_free(result);
    render(report);
    mq_report_free(report);
    result = NULL;
    opts.tensors = opts.nodes = all;
    opts.n_tensors = opts.n_nodes = 1;
    if (mq_inspect(m, &opts, NULL, NULL, &result, &err) == MQ_OK)
        mq_inspection_free(result);
    opts = mq_inspect_opts_default();
    opts.shapes = &s->shape;
    opts.n_shapes = s->n_shapes;
    opts.dims = &s->dim;
    opts.n_dims = s->n_dims;
    opts.keep_batch = true;
    result = NULL;
    if (mq_inspect(m, &opts, NULL, NULL, &result, &err) == MQ_OK)
        mq_inspection_free(result);
}

/* The bytes as a file that holds one value, of each kind. */
static void read_values(const uint8_t *data, size_t size)
{
    static const mq_type_kind kinds[] = { MQ_TYPE_TENSOR, MQ_TYPE_SPARSE_TENSOR, MQ_TYPE_SEQUENCE, MQ_TYPE_OPTIONAL,
                                          MQ_TYPE_MAP };
    int fd = file_of(data, size);
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (size_t i = 0; i < MQ_ARRAY_LEN(kinds); i++) {
        mq_type type = { .kind = kinds[i], .rank = -1 };
        mq_error err = { 0 };
        mq_model *m = NULL;
        mq_datum *d = NULL;
        if (mq_model_create(&m, &err) != MQ_OK)
            broken("an empty model can be made", &err);
        if (mq_datum_load(m, path, &type, &d, &err) == MQ_OK)
            mq_datum_save(d, "/dev/null", &err);
        mq_model_free(m);
    }
    close(fd);
}

/* A model that is declared otherwise than it was made may be wrong in any way. */
static void check_with(mq_model *m, const sizes *s)
{
    mq_check_opts opts = mq_check_opts_default();
    mq_check_result *result = NULL;
    mq_error err = { 0 };
    mq_status rc;

    opts.shapes = s->shapes;
    opts.n_shapes = s->n_shapes;
    opts.dims = s->dims;
    opts.n_dims = s->n_dims;
    if ((rc = mq_check(m, &opts, NULL, NULL, &result, &err)) != MQ_OK && rc != MQ_ERR_USAGE)
        broken("every model can be checked with other sizes", &err);
    mq_check_result_free(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    choices c = choices_of(data, size);
    mq_model *m = load(data, size);
    bool clean;
    sizes s;

    read_values(data, size);
    if (!m)
        return 0;
    sizes_of(&s, m, &c);
    clean = check(m);
    inspect(m, &s);
    check_with(m, &s);
    mq_model_free(m);
    check_saving(data, size);
    quantize(data, size, clean, &c);
    run_model(data, size, &c);
    convert(data, size, clean, &c);
    return 0;
}

#ifdef MQ_REPLAY
#include "replay.h"
#endif
