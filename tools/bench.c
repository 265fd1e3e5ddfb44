/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq bench: how fast, how large and how right models are, side by side. Prints tables on standard output: they are what was
 * asked for. Everything that is measured, and how, is the library's (mq/bench.h). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bounds.h"
#include "cli/session.h"
#include "cli/source.h"
#include "cli/text.h"
#include "commands.h"
#include "mq/bench.h"

enum { SHOWN_NODES = 20, SHOWN_CLASSES = 20 };

static const cli_opt takes[] = { OPT_RUNS,       OPT_DURATION,    OPT_TIME_LIMIT, OPT_WARMUP,    OPT_PROFILE,
                                 OPT_TRACE,      OPT_METRIC,      OPT_METRIC_OUTPUT, OPT_EVAL_CMD, OPT_LOWER_IS_BETTER,
                                 OPT_MAX_EVALS,  OPT_WITH_ONNXRUNTIME, OPT_MAX_SIZE, OPT_MIN_SQNR, OPT_MAX_DROP,
                                 OPT_MIN_METRIC, OPT_MAX_LATENCY, OPT_MIN_SPEEDUP, OPT_MAX_MACS, OPT_MAX_RAM,
                                 CLI_SOURCE_OPTS, OPT_LABELS,     OPT_INPUTS,     OPT_OUTPUTS,   OPT_NONE };

static const cli_help_text helps[] = {
    { OPT_THREADS, "threads; a list measures each number (default: the CPUs that the process may use)" },
    { OPT_BATCH, "samples per run; a list measures each number (default: the model's, else 1)" },
    { OPT_DATA, "what to run on: .npz, .npy, .jsonl, a folder or .txt list of images, a folder of ONNX test "
                "data, or random:N "
                "(mq help data; default: random:1)" },
    { OPT_MAX_SIZE, "largest file with its external data, or its share of the first model's", true },
    { OPT_MIN_SQNR, "least signal to noise of every output against the first model's, in dB" },
    { OPT_SEED, "of random inputs, random operators and the order of turns" },
    { OPT_OUTPUTS, "only these outputs (any tensor may be one)" },
    { OPT_NONE, NULL },
};

/* ---- latency ------------------------------------------------------------------------------------------------------- */

/* Room for one cell. */
typedef struct cell {
    char s[96];
} cell;

/* Four digits, whatever the size. */
static cell number(double x)
{
    cell c;

    snprintf(c.s, sizeof c.s, x >= 1000 ? "%.0f" : "%.4g", x);
    return c;
}

static cell interval(const mq_bench_figure *f)
{
    cell c;

    snprintf(c.s, sizeof c.s, "%.40s to %.40s", number(f->lo).s, number(f->hi).s);
    return c;
}

static cell whole(int64_t n)
{
    cell c;

    snprintf(c.s, sizeof c.s, "%" PRId64, n);
    return c;
}

/* Names out of a command line or a model: control characters would drive the terminal. */
static const char *safe(cell *c, const char *name)
{
    const size_t n = strlen(name), most = 48;

    snprintf(c->s, sizeof c->s, "%s%.80s", n > most ? "..." : "", n > most ? name + n - most : name);
    for (char *p = c->s; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return c->s;
}

static mq_status print_table(cli_table *t, mq_error *err)
{
    const bool ok = t && cli_table_print(t, stdout, 0);

    cli_table_free(t);
    return ok ? MQ_OK : cli_oom(err);
}

/* The name without its folder, where no two models would look the same, and what ran it where that is not mq. */
static const char *label(cell *c, const mq_bench_result *r, const char *file, const char *engine)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    char text[256];

    for (size_t i = 0; i < r->n_models; i++) {
        const char *other = strrchr(r->models[i].file, '/');

        other = other ? other + 1 : r->models[i].file;
        if (strcmp(r->models[i].file, file) != 0 && strcmp(other, base) == 0)
            base = file;
    }
    snprintf(text, sizeof text, "%.120s%s%.60s%s", base, engine ? " (" : "", engine ? engine : "", engine ? ")" : "");
    return safe(c, text);
}

static const char *label_row(cell *c, const mq_bench_result *r, const mq_bench_latency *l)
{
    return label(c, r, l->file, strcmp(l->engine, "mq") == 0 ? NULL : l->engine);
}

static mq_status print_latency(const mq_bench_result *r, mq_error *err)
{
    const bool pairs = r->n_models > 1 || strcmp(r->latency[r->n_latency - 1].engine, "mq") != 0;
    cli_table *t = cli_table_create(pairs ? "lrrrrrrrrr" : "lrrrrrrr");

    cli_table_row(t, "model", "threads", "batch", "median ms", "95 %", "min", "p90", "p99", "speedup", "95 %");
    for (size_t i = 0; i < r->n_latency; i++) {
        const mq_bench_latency *l = &r->latency[i];
        const bool first = l->speedup.lo == 1 && l->speedup.hi == 1;
        cell name;

        cli_table_row(t, label_row(&name, r, l), whole(l->threads).s, whole(l->batch).s, number(l->median_ms.value).s,
                      interval(&l->median_ms).s, number(l->min_ms).s, number(l->p90_ms).s, number(l->p99_ms).s,
                      first ? "" : number(l->speedup.value).s, first ? "" : interval(&l->speedup).s);
    }
    return print_table(t, err);
}

/* What the first case says of a model in mq. */
static const mq_bench_latency *row_of(const mq_bench_result *r, size_t model)
{
    return model < r->n_latency ? &r->latency[model] : NULL;
}

static mq_status print_models(const mq_bench_result *r, mq_error *err)
{
    cli_table *t = cli_table_create("lrrrrrrrr");

    cli_table_row(t, "model", "size", "load ms", "plan ms", "first ms", "samples/s", "activations", "MACs", "runs");
    for (size_t i = 0; i < r->n_models; i++) {
        const mq_bench_model *m = &r->models[i];
        const mq_bench_latency *l = row_of(r, i);
        cell name;

        if (l)
            cli_table_row(t, label(&name, r, m->file, NULL), cli_bytes(m->model_bytes + m->data_bytes).s,
                          number(m->load_ms).s,
                          number(m->plan_ms).s, number(l->first_ms).s, number(l->per_second).s, cli_bytes(l->peak_bytes).s,
                          m->macs > 0 ? cli_short_count((uint64_t)m->macs).s : "", whole((int64_t)l->n_runs).s);
    }
    printf("\n");
    return print_table(t, err);
}

/* ---- profile ------------------------------------------------------------------------------------------------------- */

static const char *rate(cell *c, double x)
{
    *c = number(x);
    return x > 0 ? c->s : "";
}

static mq_status print_operators(const mq_bench_model *m, mq_error *err)
{
    cli_table *t = cli_table_create("lrrrrrrr");

    cli_table_row(t, "operator", "nodes", "ms", "share", "MACs", "bytes", "GFLOP/s", "GB/s");
    for (size_t i = 0; i < m->n_operators; i++) {
        const mq_bench_cost *c = &m->operators[i];
        cell name, flops, bytes;

        cli_table_row(t, safe(&name, c->op_type), whole((int64_t)c->n_nodes).s, number(c->ms).s, cli_percent(c->share).s,
                      c->macs > 0 ? cli_short_count((uint64_t)c->macs).s : "", cli_bytes((uint64_t)c->bytes).s,
                      rate(&flops, c->gflops), rate(&bytes, c->gbytes));
    }
    return print_table(t, err);
}

static mq_status print_nodes(const mq_bench_model *m, bool all, mq_error *err)
{
    cli_table *t = cli_table_create("lllrrrrrr");
    const size_t n = all || m->n_nodes < SHOWN_NODES ? m->n_nodes : SHOWN_NODES;
    mq_status rc;

    cli_table_row(t, "node", "operator", "kernel", "ms", "share", "MACs", "bytes", "GFLOP/s", "GB/s");
    for (size_t i = 0; i < n; i++) {
        const mq_bench_cost *c = &m->nodes[i];
        cell name, op, flops, bytes;

        cli_table_row(t, safe(&name, c->name), safe(&op, c->op_type), c->kernel, number(c->ms).s, cli_percent(c->share).s,
                      c->macs > 0 ? cli_short_count((uint64_t)c->macs).s : "", cli_bytes((uint64_t)c->bytes).s,
                      rate(&flops, c->gflops), rate(&bytes, c->gbytes));
    }
    rc = print_table(t, err);
    if (n < m->n_nodes)
        printf("%zu more nodes (-v shows all)\n", m->n_nodes - n);
    return rc;
}

static mq_status print_profile(const cli_session *s, const mq_bench_result *r, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < r->n_models && rc == MQ_OK; i++) {
        cell name;

        printf("\n%s, by operator\n", label(&name, r, r->models[i].file, NULL));
        if ((rc = print_operators(&r->models[i], err)) != MQ_OK)
            break;
        printf("\n%s, by node\n", name.s);
        rc = print_nodes(&r->models[i], cli_get(s, OPT_VERBOSE)->on, err);
    }
    return rc;
}

/* ---- metrics ------------------------------------------------------------------------------------------------------- */

static mq_status print_metrics(const mq_bench_result *r, mq_error *err)
{
    cli_table *t = cli_table_create("llrrrr");
    bool any = false;

    cli_table_row(t, "model", "metric", "value", "worse by", "95 %", "samples");
    for (size_t i = 0; i < r->n_models + r->n_peers; i++) {
        const mq_bench_model *m = i < r->n_models ? &r->models[i] : &r->peers[i - r->n_models];
        const char *engine = i < r->n_models ? NULL : m->engine;

        for (size_t k = 0; k < m->n_metrics; k++) {
            const mq_bench_metric *x = &m->metrics[k];
            cell name, value, drop;

            snprintf(value.s, sizeof value.s, "%.6g", x->value);
            snprintf(drop.s, sizeof drop.s, "%.3g%%", x->drop.value * 100);
            any = true;
            cli_table_row(t, label(&name, r, m->file, engine), x->name, x->known ? value.s : "-", x->has_drop ? drop.s : "",
                          x->has_interval ? interval(&(mq_bench_figure){ .lo = x->drop.lo * 100, .hi =
                                                                         x->drop.hi * 100 }).s : "",
                          m->n_judged ? whole((int64_t)m->n_judged).s : "");
        }
    }
    if (!any) {
        cli_table_free(t);
        return MQ_OK;
    }
    printf("\n");
    return print_table(t, err);
}

static mq_status print_classes(const mq_bench_result *r, const mq_bench_model *m, bool all, mq_error *err)
{
    cli_table *t;
    const size_t n = all || m->n_classes <= SHOWN_CLASSES ? m->n_classes : SHOWN_CLASSES;
    bool named = false;
    cell name;
    mq_status rc;

    for (size_t i = 0; i < m->n_classes; i++)
        named |= *m->classes[i].name;
    t = cli_table_create(named ? "rrrrrl" : "rrrrr");
    printf("\n%s, by class\n", label(&name, r, m->file, NULL));
    cli_table_row(t, "class", "samples", "precision", "recall", "f1", "name");
    for (size_t i = 0; i < n; i++) {
        const mq_bench_class *c = &m->classes[i];

        cli_table_row(t, whole((int64_t)i).s, whole((int64_t)c->n).s, number(c->precision).s, number(c->recall).s,
                      number(c->f1).s, safe(&name, c->name));
    }
    rc = print_table(t, err);
    if (n < m->n_classes)
        printf("%zu more classes (-v shows all)\n", m->n_classes - n);
    return rc;
}

/* By class where somebody asks for it: precision, recall or F1, or -v. */
static mq_status print_all_classes(const cli_session *s, const mq_bench_result *r, mq_error *err)
{
    const char *metric = cli_get(s, OPT_METRIC)->text;
    const bool wanted = metric && (strcmp(metric, "precision") == 0 || strcmp(metric, "recall") == 0 ||
                                   strcmp(metric, "f1") == 0);
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < r->n_models && rc == MQ_OK && (wanted || cli_get(s, OPT_VERBOSE)->on); i++)
        if (r->models[i].n_classes)
            rc = print_classes(r, &r->models[i], cli_get(s, OPT_VERBOSE)->on, err);
    return rc;
}

/* ---- all of it ----------------------------------------------------------------------------------------------------- */

static bool has_bounds(const cli_session *s)
{
    static const cli_opt bounds[] = { OPT_MAX_SIZE,    OPT_MIN_SQNR,    OPT_MAX_DROP, OPT_MIN_METRIC,
                                      OPT_MAX_LATENCY, OPT_MIN_SPEEDUP, OPT_MAX_MACS, OPT_MAX_RAM };

    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        if (cli_get(s, bounds[i])->given)
            return true;
    return false;
}

static mq_status print_bounds(const cli_session *s, mq_error *err)
{
    char *text = NULL;
    mq_status rc;

    if (!has_bounds(s))
        return MQ_OK;
    if ((rc = mq_report_render(s->report, MQ_REPORT_TEXT, &text, err)) == MQ_OK)
        printf("\n%s", text);
    free(text);
    return rc;
}

static mq_status print_all(cli_session *s, const mq_bench_result *r, mq_error *err)
{
    mq_status rc;

    if (cli_stdout_taken(s) || cli_get(s, OPT_QUIET)->on)
        return MQ_OK;
    cli_clear_line(s);
    CLI_TRY(print_latency(r, err));
    CLI_TRY(print_models(r, err));
    if (cli_get(s, OPT_PROFILE)->on)
        CLI_TRY(print_profile(s, r, err));
    CLI_TRY(print_metrics(r, err));
    CLI_TRY(print_all_classes(s, r, err));
    rc = print_bounds(s, err);
done:
    return rc;
}

/* The numbers of a list of counts, as ints and as int64s: the library's own types. */
static void read_options(cli_session *s, mq_bench_opts *o, int *threads, int64_t *batches)
{
    const cli_value *j = cli_get(s, OPT_THREADS), *b = cli_get(s, OPT_BATCH), *in = cli_get(s, OPT_INPUTS);
    const cli_value *out = cli_get(s, OPT_OUTPUTS), *warmup = cli_get(s, OPT_WARMUP);

    for (size_t i = 0; i < j->n_numbers; i++)
        threads[i] = (int)j->numbers[i];
    for (size_t i = 0; i < b->n_numbers; i++)
        batches[i] = (int64_t)b->numbers[i];
    o->threads = threads;
    o->n_threads = j->n_numbers;
    o->batches = batches;
    o->n_batches = b->n_numbers;
    o->source = cli_source(s);
    o->inputs = in->given ? in->items : NULL;
    o->n_inputs = in->n_items;
    o->outputs = out->given ? out->items : NULL;
    o->n_outputs = out->n_items;
    o->runs = cli_get(s, OPT_RUNS)->number;
    o->seconds = cli_get(s, OPT_DURATION)->real;
    o->time_limit = cli_get(s, OPT_TIME_LIMIT)->real;
    o->warmup = warmup->given ? (int64_t)warmup->number : -1;
    o->profile = cli_get(s, OPT_PROFILE)->on;
    o->trace = cli_get(s, OPT_TRACE)->text;
    o->with_onnxruntime = cli_get(s, OPT_WITH_ONNXRUNTIME)->on;
    o->metric = cli_get(s, OPT_METRIC)->text;
    o->metric_output = cli_get(s, OPT_METRIC_OUTPUT)->text;
    o->eval_cmd = cli_get(s, OPT_EVAL_CMD)->text;
    o->lower_is_better = cli_get(s, OPT_LOWER_IS_BETTER)->on;
    o->max_evals = cli_get(s, OPT_MAX_EVALS)->number;
    o->bounds = cli_limits(s);
    o->note = cli_source_note;
    o->detail = cli_source_detail;
    o->user = s;
}

static mq_status run(cli_session *s, mq_error *err)
{
    mq_bench_opts o = mq_bench_opts_default();
    int *threads = calloc(cli_get(s, OPT_THREADS)->n_numbers + 1, sizeof *threads);
    int64_t *batches = calloc(cli_get(s, OPT_BATCH)->n_numbers + 1, sizeof *batches);
    mq_bench_result *r = NULL;
    char missed[512];
    mq_status rc = MQ_OK;

    if (!threads || !batches)
        CLI_TRY(cli_oom(err));
    read_options(s, &o, threads, batches);
    if (s->opts->n_files > 1)
        s->file = NULL; /* sentences name the model that they are about */
    rc = mq_bench(s->opts->files, s->opts->n_files, &o, s->report, &s->hooks, &r, err);
    if (rc != MQ_OK && strncmp(err->text, "--", 2) == 0)
        s->file = NULL; /* about the command line */
    if (rc == MQ_OK)
        rc = print_all(s, r, err);
    for (size_t i = 0; rc == MQ_OK && mq_report_missed_bound(s->report, i, missed, sizeof missed); i++)
        cli_say_missed(s, "%s", missed);
done:
    mq_bench_result_free(r);
    free(threads);
    free(batches);
    return rc;
}

static mq_status check_options(const cli_options *o, mq_error *err)
{
    if (o->values[OPT_RUNS].given && o->values[OPT_DURATION].given)
        return cli_fail(err, MQ_ERR_USAGE, "--runs and --duration contradict each other");
    if (o->values[OPT_LOWER_IS_BETTER].given && !o->values[OPT_EVAL_CMD].given)
        return cli_fail(err, MQ_ERR_USAGE, "--lower-is-better is for --eval-cmd: mq knows it of its own metrics");
    if (o->values[OPT_DURATION].given && o->values[OPT_DURATION].real <= 0)
        return cli_fail(err, MQ_ERR_USAGE, "--duration is more than 0");
    if (o->values[OPT_TIME_LIMIT].given && o->values[OPT_TIME_LIMIT].real <= 0)
        return cli_fail(err, MQ_ERR_USAGE, "--time-limit is more than 0");
    return MQ_OK;
}

const cli_command mq_command_bench = {
    .name = "bench",
    .files = "MODEL...",
    .max_files = 100,
    .many = true,
    .summary = "how fast, how large and how right models are, side by side",
    .takes = takes,
    .helps = helps,
    .check = check_options,
    .run = run,
};
