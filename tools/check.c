/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq check: is a model valid; with --against, --data or --tests: does it give what it should. Prints one line per finding or
 * tensor and a line that sums up, on standard output: they are what was asked for. What is looked at, and how it is judged,
 * is the library's (mq/check.h, mq/run.h). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/session.h"
#include "cli/source.h"
#include "cli/text.h"
#include "commands.h"
#include "mq/check.h"
#include "mq/layers.h"
#include "mq/run.h"

static const cli_opt takes[] = { OPT_TARGET, OPT_AGAINST, OPT_LAYERS, OPT_TESTS, OPT_MIN_SQNR, OPT_ATOL, OPT_RTOL,
                                 OPT_WITH_ONNXRUNTIME, CLI_SOURCE_OPTS, OPT_TENSORS, OPT_OUTPUTS, OPT_NONE };

static const cli_help_text helps[] = {
    { OPT_DATA, "what to run on: .npz, .npy, .jsonl, a folder or .txt list of images, a folder of ONNX test data, or "
                "random:N (mq help data); without --against it holds the reference outputs" },
    { OPT_WITH_ONNXRUNTIME, "run the model in ONNX Runtime, in a Python that has it ($MQ_PYTHON, else python3), and compare "
                            "its outputs with the engine's" },
    { OPT_TENSORS, "also compare these tensors inside the models, where both have the name; they decide nothing" },
    { OPT_OUTPUTS, "compare only these (any tensor may be one)" },
    { OPT_NONE, NULL },
};

/* A line begins with what it is about; a name may hold a line break. */
static void print_place(const char *place)
{
    cli_put_safe(stdout, place);
    printf(": ");
}

static void print_finding(cli_session *s, const mq_finding *f)
{
    bool is_error = f->severity == MQ_SEVERITY_ERROR;
    char line[MQ_ERROR_SIZE + 512];

    snprintf(line, sizeof line, "%s%s%s", f->place, *f->place ? ": " : "", f->text);
    if (is_error)
        cli_annotate_error(s, line);
    if (cli_stdout_taken(s) || (cli_get(s, OPT_QUIET)->on && !is_error))
        return;
    print_place(s->file);
    print_place(is_error ? "error" : "warning");
    cli_put_safe(stdout, line);
    printf(" [%s]\n", f->code);
}

static void print_count(size_t n, const char *what)
{
    printf("%zu %s%s", n, what, n == 1 ? "" : "s");
}

/* "valid", "invalid", "valid, but refused by tensorrt". */
static void print_verdict(const cli_session *s, const mq_check_result *r)
{
    if (r->valid && r->n_errors)
        printf("valid, but refused by %.*s", (int)strcspn(cli_get(s, OPT_TARGET)->text, ","), cli_get(s, OPT_TARGET)->text);
    else
        printf("%s", r->valid ? "valid" : "invalid");
}

static void print_summary(const cli_session *s, const mq_check_result *r)
{
    if (cli_stdout_taken(s) || (cli_get(s, OPT_QUIET)->on && r->ok))
        return;
    print_place(s->file);
    if (r->n_errors + r->n_warnings > r->n_findings) {
        printf("%zu more findings are not shown\n", r->n_errors + r->n_warnings - r->n_findings);
        print_place(s->file);
    }
    print_verdict(s, r);
    printf(" (");
    if (r->opset)
        printf("opset %" PRId64 ", ", r->opset);
    printf("IR %" PRId64 ", ", r->ir_version);
    print_count(r->n_nodes, "node");
    printf(")");
    if (r->n_errors) {
        printf(", ");
        print_count(r->n_errors, "error");
    }
    if (r->n_warnings) {
        printf(", ");
        print_count(r->n_warnings, "warning");
    }
    printf("\n");
}

/* ---- --against ----------------------------------------------------------------------------------------------------- */

/* Widest name that the table makes room for. */
#define NAME_WIDTH 60

static int name_width(const mq_against_result *r)
{
    size_t width = 6;

    for (size_t i = 0; i < r->n_tensors; i++)
        width = strlen(r->tensors[i].name) > width ? strlen(r->tensors[i].name) : width;
    return width < NAME_WIDTH ? (int)width : NAME_WIDTH;
}

/* What a missed output is annotated with. */
static void annotate(cli_session *s, const mq_agreement *a)
{
    char text[2 * MQ_ERROR_SIZE];

    if (*a->note)
        snprintf(text, sizeof text, "output '%s' is not compared: %s", a->name, a->note);
    else
        snprintf(text, sizeof text,
                 "output '%s': SQNR %.2f dB, largest error %.3g, %" PRIu64 " of %" PRIu64 " elements outside", a->name,
                 a->sqnr, a->max_abs, a->outside, a->count);
    cli_annotate_error(s, text);
}

static void print_agreement(const mq_agreement *a, int width)
{
    printf("%s  ", a->is_output ? (a->ok ? "ok  " : "FAIL") : a->ok ? "    " : "low ");
    cli_put_safe(stdout, a->name);
    printf("%*s", width > (int)strlen(a->name) ? width - (int)strlen(a->name) : 0, "");
    if (*a->note) {
        printf("  not compared: ");
        cli_put_safe(stdout, a->note);
        printf("\n");
    } else if (a->differ == 0) {
        printf("  equal\n");
    } else {
        printf("  %8.2f  %9.3g  %9.3g  %9.6f  %6.2f%%  %" PRIu64 " of %" PRIu64, a->sqnr, a->max_abs, a->max_rel, a->cosine,
               a->agree * 100, a->outside, a->count);
        if (a->nonfinite)
            printf(" (%" PRIu64 " NaN or infinite in one only)", a->nonfinite);
        printf("\n");
    }
}

/* The one finding. */
static void print_refused(cli_session *s, const mq_against_result *r)
{
    cli_annotate_error(s, r->refused);
    if (cli_stdout_taken(s))
        return;
    print_place(s->file);
    print_place("error");
    cli_put_safe(stdout, r->refused);
    printf(" [onnxruntime-refuses]\n");
}

static void print_against(cli_session *s, const mq_against_result *r)
{
    const bool quiet = cli_get(s, OPT_QUIET)->on;
    const int width = name_width(r);
    bool headed = false;

    for (size_t i = 0; i < r->n_tensors; i++) {
        const mq_agreement *a = &r->tensors[i];

        if (!a->ok && a->is_output)
            annotate(s, a);
        if (cli_stdout_taken(s) || (quiet && (a->ok || !a->is_output)))
            continue;
        if (!headed && a->differ)
            printf("      %-*s  %8s  %9s  %9s  %9s  %7s  %s\n", width, "tensor", "SQNR/dB", "max abs", "max rel", "cosine",
                   "arg-max", "outside");
        headed |= a->differ != 0;
        print_agreement(a, width);
    }
    if (cli_stdout_taken(s) || (quiet && r->ok))
        return;
    print_place(s->file);
    printf("%s%s%s on %" PRIu64 " %ssample%s\n", r->ok ? "agrees" : "differs", *r->engine ? r->ok ? " with " : " from " : "",
           r->engine, r->n_samples, r->generated ? "generated " : "", r->n_samples == 1 ? "" : "s");
}

/* ---- --layers ------------------------------------------------------------------------------------------------------ */

/* Rows without -v. */
#define MOST_ROWS 20

static void print_db(double value)
{
    if (isnan(value))
        printf("  %8s", "-");
    else if (isinf(value))
        printf("  %8s", value > 0 ? "exact" : "none");
    else
        printf("  %8.2f", value);
}

static void print_layer(const mq_layer *l, int width, bool first)
{
    printf("%s", first ? "first " : "      ");
    cli_put_safe(stdout, l->name);
    printf("%*s", width > (int)strlen(l->name) ? width - (int)strlen(l->name) : 0, "");
    print_db(l->own);
    print_db(l->weights);
    print_db(l->activations);
    print_db(l->accumulated);
    if (*l->cause)
        printf("  %s", l->cause);
    printf("\n");
}

/* Why, and what to do: of the worst ones. */
static void print_cause(const mq_layer *l)
{
    if (!*l->cause)
        return;
    cli_put_safe(stdout, l->name);
    printf(": ");
    if (*l->input) {
        printf("input '");
        cli_put_safe(stdout, l->input);
        printf("': ");
    }
    cli_put_safe(stdout, l->why);
    printf(" (%s)\n", l->remedy);
}

/* With -q only names, one per line: what --exclude-nodes @FILE takes. */
static void print_names(const mq_layers_result *r)
{
    for (size_t i = 0; i < r->n_layers; i++)
        if (*r->layers[i].cause && !strpbrk(r->layers[i].name, "\r\n"))
            printf("%s\n", r->layers[i].name);
}

static void print_layers(cli_session *s, const mq_layers_result *r)
{
    const bool all = cli_get(s, OPT_VERBOSE)->on;
    const size_t n = all || r->n_layers < MOST_ROWS ? r->n_layers : MOST_ROWS;
    int width = 5;

    if (cli_stdout_taken(s))
        return;
    if (cli_get(s, OPT_QUIET)->on) {
        print_names(r);
        return;
    }
    for (size_t i = 0; i < n; i++)
        width = (int)strlen(r->layers[i].name) > width ? (int)strlen(r->layers[i].name) : width;
    width = width < NAME_WIDTH ? width : NAME_WIDTH;
    printf("      %-*s  %8s  %8s  %8s  %8s  %s\n", width, "layer", "own/dB", "weights", "inputs", "so far", "cause");
    for (size_t i = 0; i < n; i++)
        print_layer(&r->layers[i], width, &r->layers[i] == r->first);
    if (n < r->n_layers)
        printf("      and %zu more (-v)\n", r->n_layers - n);
    for (size_t i = 0; i < n && (all || i < 5); i++)
        print_cause(&r->layers[i]);
}

static mq_status run_layers(cli_session *s, mq_model *model, mq_model *reference, mq_error *err)
{
    mq_layers_opts o = { .source = cli_source(s), .target = cli_get(s, OPT_TARGET)->text, .note = NULL, .user = s };
    mq_layers_result *r = NULL;
    mq_status rc;

    CLI_TRY(mq_check_layers(model, reference, &o, s->report, &s->hooks, &r, err));
    cli_clear_line(s);
    print_layers(s, r);
done:
    mq_layers_result_free(r);
    return rc;
}

/* ---- both ---------------------------------------------------------------------------------------------------------- */

static mq_status run_against(cli_session *s, mq_error *err)
{
    const cli_value *sqnr = cli_get(s, OPT_MIN_SQNR), *atol = cli_get(s, OPT_ATOL), *rtol = cli_get(s, OPT_RTOL);
    const cli_value *out = cli_get(s, OPT_OUTPUTS), *tensors = cli_get(s, OPT_TENSORS);
    mq_against_opts o = mq_against_opts_default();
    mq_model *model = NULL, *reference = NULL;
    mq_against_result *r = NULL;
    mq_status rc = MQ_OK;

    o.source = cli_source(s);
    o.outputs = out->given ? out->items : NULL;
    o.n_outputs = out->n_items;
    o.tensors = tensors->items;
    o.n_tensors = tensors->n_items;
    o.has_tolerance = atol->given || rtol->given;
    o.atol = atol->given ? atol->real : o.has_tolerance ? 0 : o.atol;
    o.rtol = rtol->given ? rtol->real : o.has_tolerance ? 0 : o.rtol;
    if (sqnr->given)
        o.min_sqnr = sqnr->real;
    o.note = cli_source_note;
    o.detail = cli_source_detail;
    o.user = s;
    o.with_onnxruntime = cli_get(s, OPT_WITH_ONNXRUNTIME)->on;
    CLI_TRY(mq_model_load(&model, s->file, err));
    if (cli_get(s, OPT_AGAINST)->given) {
        CLI_TRY(cli_note_read(s, cli_get(s, OPT_AGAINST)->text, err));
        s->file = cli_get(s, OPT_AGAINST)->text; /* what sentences are about */
        CLI_TRY(mq_model_load(&reference, s->file, err));
        s->file = s->opts->files[0];
    }
    CLI_TRY(mq_check_against(model, reference, &o, s->report, &s->hooks, &r, err));
    if (r->refused)
        print_refused(s, r);
    else if (!(cli_get(s, OPT_LAYERS)->on && cli_get(s, OPT_QUIET)->on))
        print_against(s, r);
    if (cli_get(s, OPT_LAYERS)->on)
        CLI_TRY(run_layers(s, model, reference, err));
done:
    if (rc != MQ_OK && strncmp(err->text, "--", 2) == 0)
        s->file = NULL; /* about the command line */
    mq_against_result_free(r);
    mq_model_free(reference);
    mq_model_free(model);
    return rc;
}

/* ---- --tests ------------------------------------------------------------------------------------------------------- */

static void on_outcome(void *user, const char *folder, mq_test_outcome outcome, const char *text)
{
    static const char *const words[] = { "ok", "DIFFERS", "unsupported", "BROKEN", "random" };
    cli_session *s = user;

    if (outcome == MQ_TEST_DIFFERS || outcome == MQ_TEST_BROKEN) {
        char line[MQ_ERROR_SIZE * 2];

        snprintf(line, sizeof line, "%s: %s", folder, text);
        cli_annotate_error(s, line);
    }
    if (cli_stdout_taken(s) || ((outcome == MQ_TEST_EQUAL || outcome == MQ_TEST_RANDOM) && !cli_get(s, OPT_VERBOSE)->on))
        return;
    cli_clear_line(s);
    printf("%s: %s%s", folder, words[outcome], *text ? ": " : "");
    cli_put_safe(stdout, text);
    printf("\n");
}

static mq_status run_tests(cli_session *s, mq_error *err)
{
    const cli_value *atol = cli_get(s, OPT_ATOL), *rtol = cli_get(s, OPT_RTOL);
    const mq_tests_opts o = { .has_tolerance = atol->given || rtol->given, .atol = atol->real, .rtol = rtol->real,
                              .outcome = on_outcome, .user = s };
    mq_tests_summary sum;
    mq_status rc;

    s->file = cli_get(s, OPT_TESTS)->text;
    CLI_TRY(mq_check_tests(s->file, &o, s->report, &s->hooks, &sum, err));
    if (!cli_stdout_taken(s))
        printf("%s: %zu equal, %zu different, %zu broken, %zu unsupported, %zu random\n", s->file, sum.n_equal,
               sum.n_differs, sum.n_broken, sum.n_unsupported, sum.n_random);
    if (sum.n_unsupported && !sum.n_differs && !sum.n_broken)
        rc = cli_fail(err, MQ_ERR_UNSUPPORTED, "%zu test%s what the engine does not have", sum.n_unsupported,
                      sum.n_unsupported == 1 ? " needs" : "s need");
done:
    return rc;
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static mq_status check_options(const cli_options *o, mq_error *err)
{
    const bool onnxruntime = o->values[OPT_WITH_ONNXRUNTIME].on, tests = o->values[OPT_TESTS].given;
    const bool compares = o->values[OPT_AGAINST].given || o->values[OPT_DATA].given || onnxruntime;
    static const cli_opt of_comparing[] = { OPT_MIN_SQNR, OPT_OUTPUTS, OPT_TENSORS, OPT_SAMPLES, OPT_BATCH, OPT_FILL,
                                            OPT_CARRY, OPT_PREPROCESS, OPT_SKIP_BAD, OPT_ALLOW_NONFINITE, OPT_SEED,
                                            OPT_SHAPE, OPT_DIM };

    if (tests && (o->n_files || compares))
        return cli_fail(err, MQ_ERR_USAGE, "--tests stands alone: its folders hold the models and the data");
    for (size_t i = 0; i < sizeof of_comparing / sizeof *of_comparing; i++)
        if (o->values[of_comparing[i]].given && !compares)
            return cli_fail(err, MQ_ERR_USAGE, "%s needs --against REFERENCE, --with-onnxruntime, or --data with reference "
                            "outputs", cli_row_of(of_comparing[i])->label);
    if (onnxruntime && o->values[OPT_AGAINST].given)
        return cli_fail(err, MQ_ERR_USAGE, "--with-onnxruntime is what the model is compared with: no --against beside it");
    if (onnxruntime && strcmp(o->files[0], "-") == 0)
        return cli_fail(err, MQ_ERR_USAGE, "--with-onnxruntime needs a model with a name, not standard input");
    if (onnxruntime && o->values[OPT_TENSORS].given)
        return cli_fail(err, MQ_ERR_USAGE, "--tensors needs --against REFERENCE: ONNX Runtime gives outputs only");
    if (o->values[OPT_LAYERS].on && !o->values[OPT_AGAINST].given)
        return cli_fail(err, MQ_ERR_USAGE, "--layers needs --against REFERENCE: the model before it was quantized");
    if (o->values[OPT_LAYERS].on && o->values[OPT_CARRY].given)
        return cli_fail(err, MQ_ERR_USAGE, "--layers looks at each sample by itself: no --carry beside it");
    if (o->values[OPT_ATOL].real < 0 || o->values[OPT_RTOL].real < 0)
        return cli_fail(err, MQ_ERR_USAGE, "--atol and --rtol are 0 or more");
    if ((o->values[OPT_ATOL].given || o->values[OPT_RTOL].given) && !compares && !tests)
        return cli_fail(err, MQ_ERR_USAGE, "--atol and --rtol need --against, --with-onnxruntime, --data or --tests");
    return MQ_OK;
}

static mq_status run_valid(cli_session *s, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_model *model = NULL;
    mq_check_result *result = NULL;
    mq_check_opts opts = mq_check_opts_default();
    char target[64];

    opts.strict = cli_get(s, OPT_STRICT)->on;
    snprintf(target, sizeof target, "%.*s", (int)strcspn(cli_get(s, OPT_TARGET)->text, ","), cli_get(s, OPT_TARGET)->text);
    opts.shapes = cli_get(s, OPT_SHAPE)->items;
    opts.n_shapes = cli_get(s, OPT_SHAPE)->n_items;
    opts.dims = cli_get(s, OPT_DIM)->items;
    opts.n_dims = cli_get(s, OPT_DIM)->n_items;
    opts.target = target; /* which CPU it is makes no difference here */
    CLI_TRY(mq_model_load(&model, s->file, err));
    CLI_TRY(mq_check(model, &opts, s->report, &s->hooks, &result, err));
    for (size_t i = 0; i < result->n_findings; i++)
        print_finding(s, &result->findings[i]);
    print_summary(s, result);
done:
    mq_check_result_free(result);
    mq_model_free(model);
    return rc;
}

static mq_status run(cli_session *s, mq_error *err)
{
    if (cli_get(s, OPT_TESTS)->given)
        return run_tests(s, err);
    if (cli_get(s, OPT_AGAINST)->given || cli_get(s, OPT_DATA)->given || cli_get(s, OPT_WITH_ONNXRUNTIME)->on)
        return run_against(s, err);
    return run_valid(s, err);
}

const cli_command mq_command_check = {
    .name = "check",
    .files = "MODEL",
    .max_files = 1,
    .instead = OPT_TESTS,
    .summary = "is a model valid, does a runtime take it, does it equal another",
    .takes = takes,
    .helps = helps,
    .check = check_options,
    .run = run,
};
