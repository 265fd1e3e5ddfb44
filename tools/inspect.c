/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq inspect: what is in a model. Prints one view of the whole, or, with --nodes and --tensors, what they name; on standard
 * output, which is what was asked for. All figures are the library's (mq/inspect.h). */
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/session.h"
#include "cli/text.h"
#include "commands.h"
#include "mq/inspect.h"

static const cli_opt takes[] = { OPT_NODES, OPT_TENSORS, OPT_SHAPE, OPT_DIM, OPT_NONE };

enum { INDENT = 2, LABEL = 14, MAX_SHOWN_PAIRS = 8, MAX_VALUE = 60, MAX_LEFT_ALONE = 4, MAX_DOMAINS = 4 };

/* ---- the parts of the view ---------------------------------------------------------------------------------------- */

static void heading(const char *text)
{
    printf("\n%s%s%s\n", cli_style_on(stdout, STYLE_BOLD), text, cli_style_off(stdout));
}

/* The beginning of a line "label   ..."; the caller prints the rest. */
static void label(const char *text)
{
    printf("%-*s", LABEL, text);
}

static void plural(uint64_t n, const char *what)
{
    printf("%s %s%s", cli_count(n).s, what, n == 1 ? "" : "s");
}

static void print_head(const mq_inspection *in)
{
    printf("%s", cli_style_on(stdout, STYLE_BOLD));
    cli_put_safe(stdout, in->path);
    printf("%s  %s", cli_style_off(stdout), cli_bytes(in->file_bytes).s);
    if (in->data_bytes)
        printf(" + %s external", cli_bytes(in->data_bytes).s);
    printf("\n");
    label("format");
    printf("IR %" PRId64 ", opset", in->ir_version);
    for (size_t i = 0; i < in->n_opsets && i < MAX_DOMAINS; i++) {
        bool standard = strcmp(in->opsets[i].domain, "ai.onnx") == 0;
        printf("%s ", i ? "," : "");
        cli_put_safe(stdout, standard ? "" : in->opsets[i].domain);
        printf("%s%" PRId64, standard ? "" : " ", in->opsets[i].version);
    }
    if (in->n_opsets > MAX_DOMAINS)
        printf(" and %zu more", in->n_opsets - MAX_DOMAINS);
    printf("%s\n", in->n_opsets ? "" : " none");
    if (*in->producer) {
        label("producer");
        cli_put_safe(stdout, in->producer);
        printf("\n");
    }
}

/* At most `max` columns of a text of any length. */
static const char *shortened(char *buf, size_t size, const char *text, size_t max)
{
    size_t columns = 0, n = 0;

    for (; text[n] && n + 4 < size; n++) {
        columns += (text[n] & 0xc0) != 0x80;
        if (columns > max)
            break;
    }
    snprintf(buf, size, "%.*s%s", (int)n, text, text[n] ? "…" : "");
    return buf;
}

static void print_metadata(const mq_inspection *in)
{
    cli_table *t = cli_table_create("ll");
    char value[4 * MAX_VALUE + 8], key[4 * MAX_VALUE + 8];

    if (in->n_metadata) {
        heading("Metadata");
        for (size_t i = 0; i < in->n_metadata && i < MAX_SHOWN_PAIRS; i++)
            cli_table_row(t, shortened(key, sizeof key, in->metadata[i].key, 24),
                          shortened(value, sizeof value, in->metadata[i].value, 50));
        cli_table_print(t, stdout, INDENT);
        if (in->n_metadata > MAX_SHOWN_PAIRS)
            printf("  … and %zu more\n", in->n_metadata - MAX_SHOWN_PAIRS);
    }
    cli_table_free(t);
}

static void print_values(const char *title, const mq_inspect_value *list, size_t n)
{
    cli_table *t = cli_table_create("lll");

    heading(title);
    for (size_t i = 0; i < n; i++)
        cli_table_row(t, list[i].name, list[i].type, list[i].shape);
    if (n == 0)
        printf("  none\n");
    cli_table_print(t, stdout, INDENT);
    cli_table_free(t);
}

/* "1.2 G", or "?" when nothing is known, "" for none; a '+' for what is not counted. */
static cli_num macs_text(uint64_t macs, uint64_t unknown)
{
    cli_num out = macs ? cli_short_count(macs) : (cli_num){ "" };

    if (unknown)
        strncat(out.s, macs ? " +" : "?", sizeof out.s - strlen(out.s) - 1);
    return out;
}

static void print_ops(const mq_inspection *in)
{
    cli_table *t = cli_table_create("lrrrr");
    char name[200];

    heading("Operators");
    cli_table_row(t, "", "nodes", "MACs", "", "weights");
    for (size_t i = 0; i < in->n_ops; i++) {
        const mq_inspect_op *op = &in->ops[i];
        snprintf(name, sizeof name, "%s%s%s%s", op->domain, *op->domain ? "::" : "", op->op_type,
                 op->known ? "" : " (unknown)");
        cli_table_row(t, name, cli_count(op->nodes).s, macs_text(op->macs, op->macs_unknown).s,
                      op->macs && in->macs ? cli_percent((double)op->macs / (double)in->macs).s : "",
                      op->weight_bytes ? cli_bytes(op->weight_bytes).s : "");
    }
    cli_table_print(t, stdout, INDENT);
    cli_table_free(t);
}

static void print_weights(const mq_inspection *in)
{
    cli_table *t;

    if (in->n_types == 0)
        return;
    t = cli_table_create("lrrr");
    heading("Weights");
    for (size_t i = 0; i < in->n_types; i++) {
        char tensors[48];
        snprintf(tensors, sizeof tensors, "%s tensor%s", cli_count(in->types[i].tensors).s,
                 in->types[i].tensors == 1 ? "" : "s");
        cli_table_row(t, in->types[i].name, tensors, cli_count(in->types[i].elements).s, cli_bytes(in->types[i].bytes).s);
    }
    cli_table_print(t, stdout, INDENT);
    cli_table_free(t);
}

static void print_largest(const mq_inspection *in)
{
    cli_table *t = cli_table_create("rlll");

    if (in->n_largest) {
        heading("Largest tensors");
        for (size_t i = 0; i < in->n_largest; i++)
            cli_table_row(t, cli_bytes(in->largest[i].bytes).s, in->largest[i].type, in->largest[i].shape,
                          in->largest[i].name);
        cli_table_print(t, stdout, INDENT);
    }
    cli_table_free(t);
}

static void print_files(const mq_inspection *in)
{
    cli_table *t = cli_table_create("lrl");
    char tensors[48];

    if (in->n_files) {
        heading("External data");
        for (size_t i = 0; i < in->n_files; i++) {
            const mq_inspect_file *f = &in->files[i];
            snprintf(tensors, sizeof tensors, "%s tensor%s", cli_count(f->tensors).s, f->tensors == 1 ? "" : "s");
            cli_table_row(t, f->location, tensors, f->missing ? f->why : cli_bytes(f->bytes).s);
        }
        cli_table_print(t, stdout, INDENT);
    }
    cli_table_free(t);
}

/* ---- the summary -------------------------------------------------------------------------------------------------- */

static void print_counts(const mq_inspection *in)
{
    label("graph");
    plural(in->nodes, "node");
    if (in->subgraphs) {
        printf(", ");
        plural(in->subgraphs, "subgraph");
    }
    if (in->functions) {
        printf(", ");
        plural(in->functions, "function");
    }
    printf("\n");
    label("parameters");
    printf("%s, %s of weights\n", cli_count(in->parameters).s, cli_bytes(in->weight_bytes).s);
}

/* "; unknown for 3 nodes" where something is open. */
static void print_unknown(uint64_t n, const char *what)
{
    if (n) {
        printf("; unknown for ");
        plural(n, what);
    }
    printf("\n");
}

static void print_cost(const mq_inspection *in)
{
    bool nothing = in->macs == 0 && in->macs_unknown;

    label("MACs");
    printf("%s", nothing ? "unknown" : cli_short_count(in->macs).s);
    if (*in->assumed && !nothing) {
        printf(" with ");
        cli_put_safe(stdout, in->assumed);
    }
    print_unknown(nothing ? 0 : in->macs_unknown, "node");
    label("activations");
    printf("%s at the peak, %s in all", cli_bytes(in->activation_peak).s, cli_bytes(in->activation_sum).s);
    print_unknown(in->activations_unknown, "tensor");
    if (*in->open_dims && (in->macs_unknown || in->activations_unknown)) {
        label("open sizes");
        cli_put_safe(stdout, in->open_dims);
        printf(strchr(in->open_dims, '?') ? " (--shape INPUT=SIZES gives them)\n" : " (--dim NAME=N gives them)\n");
    }
}

static void print_zeros(const mq_inspection *in)
{
    label("zeros");
    if (!in->zeros_known)
        printf("not looked for (%s)\n", in->n_files ? "external or large weights; --tensors '*' reads them"
                                                    : "large weights; --tensors '*' reads them");
    else if (in->zeros_of == 0)
        printf("no weights\n");
    else
        printf("%s of float and signed weights (%s)\n", cli_percent((double)in->zeros / (double)in->zeros_of).s,
               cli_count(in->zeros).s);
}

static void print_quantization(const mq_inspection *in)
{
    static const char *const names[] = { "QuantizeLinear", "DequantizeLinear", "QOperator", "dynamic", "n-bit" };
    const mq_inspect_quantization *q = &in->quantization;
    const uint64_t counts[] = { q->quantize, q->dequantize, q->qoperator, q->dynamic, q->nbits };
    const char *comma = "";

    label("quantized");
    if (!in->is_quantized)
        printf("no");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i]) {
            printf("%s%s %s", comma, cli_count(counts[i]).s, names[i]);
            comma = ", ";
        }
    if (*q->types)
        printf("; weights %s", q->types);
    printf("\n");
    label("quantizable");
    if (in->quantizable_tensors == 0)
        printf("nothing\n");
    else
        printf("%s tensor%s, %s of %s in float (%s)\n", cli_count(in->quantizable_tensors).s,
               in->quantizable_tensors == 1 ? "" : "s", cli_bytes(in->quantizable_bytes).s, cli_bytes(in->float_bytes).s,
               cli_percent((double)in->quantizable_bytes / (double)in->float_bytes).s);
}

static int by_weight(const void *a, const void *b)
{
    const mq_inspect_op *x = *(const mq_inspect_op *const *)a, *y = *(const mq_inspect_op *const *)b;

    if (x->weight_bytes != y->weight_bytes)
        return x->weight_bytes < y->weight_bytes ? 1 : -1;
    return strcmp(x->op_type, y->op_type);
}

/* Operators whose float weights the quantizer leaves alone, those with the most first. */
static void print_left_alone(const mq_inspection *in)
{
    const mq_inspect_op **ops = calloc(in->n_ops + 1, sizeof *ops);
    size_t n = 0;

    for (size_t i = 0; ops && i < in->n_ops; i++)
        if (!in->ops[i].quantizable && in->ops[i].weight_bytes)
            ops[n++] = &in->ops[i];
    if (n) {
        qsort(ops, n, sizeof *ops, by_weight);
        label("stay float");
        for (size_t i = 0; i < n && i < MAX_LEFT_ALONE; i++) {
            printf("%s", i ? ", " : "");
            cli_put_safe(stdout, ops[i]->op_type);
            printf(" (%s)", cli_bytes(ops[i]->weight_bytes).s);
        }
        printf(n > MAX_LEFT_ALONE ? ", …\n" : "\n");
    }
    free(ops);
}

/* What mq itself can run: for calibration, proofs, mq run. */
static void print_engine(const mq_inspection *in)
{
    size_t n = 0;

    label("engine");
    for (size_t i = 0; i < in->n_ops; i++)
        if (!in->ops[i].runs) {
            printf("%s", n++ ? ", " : "lacks ");
            cli_put_safe(stdout, in->ops[i].op_type);
        }
    printf(n ? "\n" : "runs every operator\n");
}

static void print_targets(const mq_inspection *in)
{
    for (size_t i = 0; i < in->n_targets; i++) {
        const mq_inspect_target *t = &in->targets[i];
        label(t->name);
        if (!*t->lacks && t->n_others == 0)
            printf("nothing known against it");
        if (*t->lacks) {
            printf("lacks ");
            cli_put_safe(stdout, t->lacks);
        }
        if (t->n_others)
            printf("%s%s finding%s of mq check --target %s", *t->lacks ? "; " : "", cli_count(t->n_others).s,
                   t->n_others == 1 ? "" : "s", t->name);
        printf("\n");
    }
}

static void print_overview(const mq_inspection *in)
{
    print_head(in);
    print_counts(in);
    print_cost(in);
    print_zeros(in);
    print_quantization(in);
    print_left_alone(in);
    print_engine(in);
    print_targets(in);
    if (in->n_errors) {
        label("broken");
        printf("%zu rule%s of ONNX\n", in->n_errors, in->n_errors == 1 ? "" : "s");
    }
    print_values("Inputs", in->inputs, in->n_inputs);
    if (in->n_optional_inputs)
        printf("  and %s that have a default (initializers)\n", cli_count(in->n_optional_inputs).s);
    print_values("Outputs", in->outputs, in->n_outputs);
    print_ops(in);
    print_weights(in);
    print_largest(in);
    print_files(in);
    print_metadata(in);
    printf("\nnext: ");
    cli_put_safe(stdout, in->next);
    printf("\n");
}

/* ---- lists -------------------------------------------------------------------------------------------------------- */

static void node_values(const char *title, const mq_inspect_value *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        printf("  %-8s", i ? "" : title);
        cli_put_safe(stdout, *list[i].name ? list[i].name : "(none)");
        printf("  %s ", list[i].type);
        cli_put_safe(stdout, list[i].shape);
        printf("\n");
    }
}

static void print_node(const mq_inspect_node *n)
{
    printf("%s", cli_style_on(stdout, STYLE_BOLD));
    cli_put_safe(stdout, n->name);
    printf("%s  ", cli_style_off(stdout));
    cli_put_safe(stdout, n->op_type);
    if (n->macs > 0)
        printf("  %s MACs", cli_short_count((uint64_t)n->macs).s);
    if (*n->graph) {
        printf("  in ");
        cli_put_safe(stdout, n->graph);
    }
    printf("\n");
    node_values("takes", n->inputs, n->n_inputs);
    node_values("gives", n->outputs, n->n_outputs);
    for (size_t i = 0; i < n->n_attributes; i++) {
        printf("  %-8s", i ? "" : "with");
        cli_put_safe(stdout, n->attributes[i].key);
        printf(" = ");
        cli_put_safe(stdout, n->attributes[i].value);
        printf("\n");
    }
}

/* A terminal whose locale is not UTF-8 gets the histogram in ASCII; files and pipes are UTF-8 everywhere. */
static bool wants_ascii(void)
{
    locale_t own;
    bool utf8;

    if (!isatty(STDOUT_FILENO) || !(own = newlocale(LC_CTYPE_MASK, "", (locale_t)0)))
        return false;
    utf8 = strcmp(nl_langinfo_l(CODESET, own), "UTF-8") == 0;
    freelocale(own);
    return !utf8;
}

/* The histogram as one line; out has room for 3 * MQ_HISTOGRAM_BINS + 1. */
static const char *histogram_line(char *out, size_t size, const uint64_t *counts, bool ascii)
{
    static const char marks[] = "_.:-=+*#";
    uint64_t most = 1;

    if (!ascii)
        return cli_sparkline(out, size, counts, MQ_HISTOGRAM_BINS);
    for (size_t i = 0; i < MQ_HISTOGRAM_BINS; i++)
        most = counts[i] > most ? counts[i] : most;
    for (size_t i = 0; i < MQ_HISTOGRAM_BINS; i++)
        out[i] = counts[i] ? marks[(size_t)(7.0 * (double)counts[i] / (double)most)] : ' ';
    out[MQ_HISTOGRAM_BINS] = '\0';
    return out;
}

static void print_stats(const mq_inspect_tensor *t, bool ascii)
{
    const mq_tensor_stats *s = &t->stats;
    char line[3 * MQ_HISTOGRAM_BINS + 1];

    if (t->elements == 0) {
        printf("  empty\n");
        return;
    }
    if (s->max > s->min)
        printf("  %.4g %s %.4g\n", s->min, histogram_line(line, sizeof line, s->histogram, ascii), s->max);
    printf("  min %.6g  max %.6g  mean %.4g  std %.4g  zeros %s", s->min, s->max, s->mean, s->std,
           cli_percent((double)s->zeros / (double)t->elements).s);
    if (s->nans)
        printf("  %sNaN %s%s", cli_style_on(stdout, STYLE_RED), cli_count(s->nans).s, cli_style_off(stdout));
    if (s->infs)
        printf("  %sinf %s%s", cli_style_on(stdout, STYLE_RED), cli_count(s->infs).s, cli_style_off(stdout));
    if (*t->structure)
        printf("  %s", t->structure);
    printf("\n");
}

static void print_tensor(const mq_inspect_tensor *t, bool ascii)
{
    printf("%s", cli_style_on(stdout, STYLE_BOLD));
    cli_put_safe(stdout, t->name);
    printf("%s  %s ", cli_style_off(stdout), t->type);
    cli_put_safe(stdout, t->shape);
    if (t->bytes)
        printf("  %s", cli_bytes(t->bytes).s);
    if (*t->place) {
        printf("  ");
        cli_put_safe(stdout, t->place);
    }
    printf("\n");
    if (t->has_stats)
        print_stats(t, ascii);
    if (*t->why) {
        printf("  no statistics: ");
        cli_put_safe(stdout, t->why);
        printf("\n");
    }
}

static void print_lists(const mq_inspection *in)
{
    bool ascii = wants_ascii();

    for (size_t i = 0; i < in->n_node_list; i++)
        print_node(&in->node_list[i]);
    if (in->n_node_list && in->n_tensor_list)
        printf("\n");
    for (size_t i = 0; i < in->n_tensor_list; i++)
        print_tensor(&in->tensor_list[i], ascii);
}

/* ---- the command -------------------------------------------------------------------------------------------------- */

/* The options as the library takes them; the two lists are to be freed. */
static mq_status fill_opts(const cli_session *s, mq_inspect_opts *o, mq_input_shape **shapes, mq_dim_size **dims,
                           mq_error *err)
{
    const cli_value *shape = cli_get(s, OPT_SHAPE), *dim = cli_get(s, OPT_DIM);

    o->nodes = (const char *const *)cli_get(s, OPT_NODES)->items;
    o->n_nodes = cli_get(s, OPT_NODES)->n_items;
    o->tensors = (const char *const *)cli_get(s, OPT_TENSORS)->items;
    o->n_tensors = cli_get(s, OPT_TENSORS)->n_items;
    *shapes = calloc(shape->n_items + 1, sizeof **shapes);
    *dims = calloc(dim->n_items + 1, sizeof **dims);
    if (!*shapes || !*dims)
        return cli_oom(err);
    for (size_t i = 0; i < shape->n_items; i++)
        (*shapes)[i] = (mq_input_shape){ shape->shapes[i].name, shape->shapes[i].rank, shape->shapes[i].dims,
                                         (const char *const *)shape->shapes[i].symbols };
    for (size_t i = 0; i < dim->n_items; i++)
        (*dims)[i] = (mq_dim_size){ dim->names[i], (int64_t)dim->numbers[i] };
    o->shapes = *shapes;
    o->n_shapes = shape->n_items;
    o->dims = *dims;
    o->n_dims = dim->n_items;
    return MQ_OK;
}

static mq_status run(cli_session *s, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_model *model = NULL;
    mq_inspection *in = NULL;
    mq_inspect_opts opts = mq_inspect_opts_default();
    mq_input_shape *shapes = NULL;
    mq_dim_size *dims = NULL;

    CLI_TRY(fill_opts(s, &opts, &shapes, &dims, err));
    CLI_TRY(mq_model_load(&model, s->file, err));
    CLI_TRY(mq_inspect(model, &opts, s->report, &s->hooks, &in, err));
    if (!cli_stdout_taken(s)) {
        if (opts.n_nodes || opts.n_tensors)
            print_lists(in);
        else
            print_overview(in);
    }
done:
    mq_inspection_free(in);
    mq_model_free(model);
    free(shapes);
    free(dims);
    return rc;
}

const cli_command mq_command_inspect = {
    .name = "inspect",
    .files = "MODEL",
    .max_files = 1,
    .summary = "what is in a model: graph, operators, weights, cost, quantization",
    .takes = takes,
    .run = run,
};
