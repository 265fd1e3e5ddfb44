/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq run: a model on data. Without -o the results are printed, a few lines per sample: shape and first values, for class
 * scores the five largest. With -o they go to a file and one line sums up. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/session.h"
#include "cli/source.h"
#include "cli/text.h"
#include "commands.h"
#include "mq/run.h"

#define SHOWN_SAMPLES 10
#define SHOWN_VALUES 8
#define TOP 5

static const cli_opt takes[] = { OPT_OUTPUT, OPT_FORCE, OPT_SYNC, CLI_SOURCE_OPTS, OPT_TENSORS, OPT_INPUTS, OPT_OUTPUTS,
                                 OPT_NONE };

static const cli_help_text helps[] = {
    { OPT_OUTPUT, "where the outputs go: .npz, .npy or .pb (default: they are printed)" },
    { OPT_TENSORS, "also give these tensors from inside the model: exact name, glob, re:REGEX, @FILE; a list" },
    { OPT_DATA, "what to run on: .npz, .npy, .jsonl, a folder or .txt list of images, a folder of ONNX test data, or "
                "random:N; may be given several times (mq help data; default: one generated sample)" },
    { OPT_NONE, NULL },
};

/* What the callbacks need. */
typedef struct printer {
    cli_session *session;
    uint64_t before; /* samples of the runs before the one in hand */
    uint64_t total;  /* that run's included */
    const char *first; /* the result that a run begins with */
} printer;

static bool is_float(int type)
{
    const char *name = mq_type_name(type);

    return strcmp(name, "float") == 0 || strcmp(name, "double") == 0 || strcmp(name, "float16") == 0 ||
           strcmp(name, "bfloat16") == 0;
}

/* One row per sample and more than a handful of columns: scores of classes, most often. */
static bool looks_like_scores(const mq_view *v, size_t per_sample)
{
    return is_float(v->type) && v->rank >= 1 && v->rank <= 2 && per_sample > TOP &&
           (size_t)v->dims[v->rank - 1] == per_sample;
}

static void print_top(const mq_view *v, size_t start, size_t n)
{
    size_t best[TOP], k = 0;

    for (size_t i = 0; i < n; i++) {
        const double x = mq_view_number(v, start + i);
        size_t at = k;

        while (at > 0 && x > mq_view_number(v, start + best[at - 1]))
            at--;
        if (at == TOP)
            continue;
        k += k < TOP;
        memmove(&best[at + 1], &best[at], (k - at - 1) * sizeof *best);
        best[at] = i;
    }
    printf("; top %d:", TOP);
    for (size_t i = 0; i < k; i++)
        printf(" %zu (%.5g)", best[i], mq_view_number(v, start + best[i]));
}

/* NaN without the sign that some have. */
static void print_number(double x, bool real)
{
    if (isnan(x))
        printf(" nan");
    else if (real)
        printf(" %.6g", x);
    else
        printf(" %.0f", x);
}

static void print_values(const mq_view *v, size_t start, size_t n)
{
    const bool real = is_float(v->type) || strncmp(mq_type_name(v->type), "float", 5) == 0;

    for (size_t i = 0; i < n && i < SHOWN_VALUES; i++)
        print_number(mq_view_number(v, start + i), real);
    if (n > SHOWN_VALUES)
        printf(" ...");
}

static bool has_numbers(const mq_run_result *r)
{
    return r->is_tensor && strcmp(mq_type_name(r->view.type), "string") != 0;
}

/* A line of one result: n elements from `start`. */
static void print_result(const mq_run_result *r, size_t start, size_t n)
{
    printf("  ");
    cli_put_safe(stdout, r->name);
    printf("  ");
    cli_put_safe(stdout, r->text);
    if (has_numbers(r) && n > 0) {
        printf(" ");
        print_values(&r->view, start, n);
        if (looks_like_scores(&r->view, n))
            print_top(&r->view, start, n);
    }
    printf("\n");
}

static void print_sample(uint64_t sample, const char *source)
{
    printf("sample %" PRIu64, sample);
    if (*source) {
        printf(" (");
        cli_put_safe(stdout, source);
        printf(")");
    }
    printf("\n");
}

static void on_note(void *user, const char *text)
{
    cli_source_note(((printer *)user)->session, text);
}

static void on_detail(void *user, const char *text)
{
    cli_source_detail(((printer *)user)->session, text);
}

/* Results of one run come one after the other. A run of one sample prints a heading and a line for each; one of several
 * samples a line for each result and sample. */
static void on_result(void *user, const mq_run_result *r)
{
    printer *p = user;
    const size_t count = r->is_tensor ? mq_view_count(&r->view) : 0;
    const bool split = r->batched && r->n_samples > 1 && r->view.dims[0] > 0;
    const size_t per = split ? count / (size_t)r->view.dims[0] : count;
    const bool begins = !p->first || strcmp(p->first, r->name) == 0;

    if (begins) {
        p->first = r->name;
        p->before = p->total;
        p->total += r->n_samples;
    }
    if (cli_stdout_taken(p->session) || p->before >= SHOWN_SAMPLES)
        return;
    cli_clear_line(p->session);
    if (begins && !split && r->n_samples)
        print_sample(r->samples[0], r->sources[0]);
    if (!split)
        print_result(r, 0, count);
    for (size_t i = 0; split && i < r->n_samples && p->before + i < SHOWN_SAMPLES; i++) {
        print_sample(r->samples[i], r->sources[i]);
        print_result(r, i * per, per);
    }
}

static mq_status check(const cli_options *o, mq_error *err)
{
    if (o->values[OPT_FORCE].on && !o->values[OPT_OUTPUT].given)
        return cli_fail(err, MQ_ERR_USAGE, "--force needs -o: nothing is written");
    return MQ_OK;
}

static mq_status run(cli_session *s, mq_error *err)
{
    printer p = { .session = s };
    mq_run_opts o = { .source = cli_source(s), .note = on_note, .detail = on_detail, .user = &p };
    const cli_value *in = cli_get(s, OPT_INPUTS), *out = cli_get(s, OPT_OUTPUTS), *tensors = cli_get(s, OPT_TENSORS);
    mq_model *model = NULL;
    mq_run_summary sum = { 0 };
    mq_status rc = MQ_OK;

    o.inputs = in->given ? in->items : NULL;
    o.n_inputs = in->n_items;
    o.outputs = out->given ? out->items : NULL;
    o.n_outputs = out->n_items;
    o.tensors = tensors->items;
    o.n_tensors = tensors->n_items;
    o.save = cli_get(s, OPT_OUTPUT)->text;
    o.force = cli_get(s, OPT_FORCE)->on;
    o.sync = cli_get(s, OPT_SYNC)->on;
    o.result = o.save ? NULL : on_result;
    CLI_TRY(mq_model_load(&model, s->file, err));
    CLI_TRY(mq_run(model, &o, s->report, &s->hooks, &sum, err));
    if (o.result && p.total > SHOWN_SAMPLES && !cli_stdout_taken(s))
        printf("(%" PRIu64 " more sample%s: -o FILE.npz saves all)\n", p.total - SHOWN_SAMPLES,
               p.total - SHOWN_SAMPLES == 1 ? "" : "s");
    cli_say(s, "%" PRIu64 " sample%s in %" PRIu64 " run%s, %.3g ms each, activations %s%s%s", sum.n_samples,
            sum.n_samples == 1 ? "" : "s", sum.n_runs, sum.n_runs == 1 ? "" : "s",
            sum.n_runs ? sum.seconds * 1e3 / (double)sum.n_runs : 0, cli_bytes(sum.peak_bytes).s, o.save ? " -> " : "",
            o.save ? o.save : "");
done:
    mq_model_free(model);
    return rc;
}

const cli_command mq_command_run = {
    .name = "run",
    .files = "MODEL",
    .max_files = 1,
    .summary = "run a model on data: print its outputs or save them",
    .takes = takes,
    .helps = helps,
    .check = check,
    .run = run,
};
