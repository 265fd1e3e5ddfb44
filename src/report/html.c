/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The HTML form: one page that needs nothing else, neither the network nor a script. It has the facts of the Markdown form,
 * in the same order and uncut, and plots the error along the graph. */
#include "report/html.h"

#include <string.h>

/* The policy lets the page load nothing, should a name ever get past the escaping. */
static const char HEAD[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<style>\n"
    ":root { color-scheme: light dark; --ink: #1c2128; --dim: #5c6670; --page: #ffffff; --line: #d8dee4; --soft: #f3f5f7;\n"
    "  --bar: #3b76c4; --exact: #b9c7d8; --good: #1a7f37; --bad: #c62828; }\n"
    "@media (prefers-color-scheme: dark) { :root { --ink: #e2e6ea; --dim: #98a2ad; --page: #14181d; --line: #333b44;\n"
    "  --soft: #1e242b; --bar: #6ea3e6; --exact: #45566b; --good: #4cc06a; --bad: #f2726f; } }\n"
    "* { box-sizing: border-box; }\n"
    "body { margin: 0 auto; padding: 1rem clamp(.75rem, 3vw, 2rem) 3rem; max-width: 72rem; color: var(--ink);\n"
    "  background: var(--page); font: 16px/1.45 system-ui, sans-serif; }\n"
    "h1 { font-size: 1.5rem; margin: .5rem 0 1rem; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }\n"
    "h3 { font-size: 1rem; margin: 1rem 0 .25rem; } summary h2 { display: inline-block; }\n"
    "summary { cursor: pointer; } p { overflow-wrap: anywhere; } ul { padding-left: 1.25rem; margin: 0; }\n"
    "code { font: .875em ui-monospace, monospace; overflow-wrap: anywhere; unicode-bidi: isolate; }\n"
    ".pass { color: var(--good); } .fail { color: var(--bad); }\n"
    ".wide { overflow-x: auto; margin-bottom: .75rem; } .facts td:first-child { width: 40%; }\n"
    " table { border-collapse: collapse; min-width: 60%; font-size: .9rem; }\n"
    "th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }\n"
    "th { color: var(--dim); font-weight: 600; } td code { display: inline-block; min-width: 6rem; }\n"
    ".n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }\n"
    ".size { display: grid; grid-template-columns: auto 1fr auto; gap: .4rem .75rem; align-items: center;\n"
    "  margin: .5rem 0 1rem; } .size div { background: var(--soft); } .size i { display: block; height: 1.1rem;\n"
    "  background: var(--bar); }\n"
    ".share { display: inline-block; width: 6rem; margin-right: .5rem; background: var(--soft); }\n"
    ".share i { display: block; height: .8rem; background: var(--bar); }\n"
    "figure { margin: 1rem 0; } figcaption { font-weight: 600; margin-bottom: .75rem; }\n"
    ".plot { display: grid; grid-template-columns: 2.5rem minmax(0, 1fr); } .scale { position: relative; }\n"
    ".scale span { position: absolute; right: .5rem; transform: translateY(50%); font-size: .8rem; color: var(--dim); }\n"
    "svg { display: block; width: 100%; height: 14rem; overflow: visible; }\n"
    "line { stroke: var(--line); vector-effect: non-scaling-stroke; }\n"
    ".bar { fill: var(--bar); } .low { fill: var(--bad); } .exact { fill: var(--exact); }\n"
    ".hist { width: 8rem; height: 1.75rem; }\n"
    ".ends { display: flex; justify-content: space-between; padding-left: 2.5rem; font-size: .8rem; color: var(--dim); }\n"
    "</style>\n";

static const mq_html_column BOUND[] = {
    { "", "pass", MQ_HTML_OK }, { "bound", "name", MQ_HTML_TEXT }, { "tensor", "tensor", MQ_HTML_NAME },
    { "asked", "asked", MQ_HTML_TEXT }, { "got", "got", MQ_HTML_TEXT }, { 0 },
};
static const mq_html_column FINDING[] = {
    { "level", "level", MQ_HTML_TEXT }, { "place", "place", MQ_HTML_NAME }, { "finding", "text", MQ_HTML_TEXT },
    { "code", "code", MQ_HTML_NAME }, { 0 },
};
static const mq_html_column AGREEMENT[] = {
    { "", "ok", MQ_HTML_OK }, { "tensor", "tensor", MQ_HTML_NAME }, { "SQNR", "sqnr_db", MQ_HTML_AGREEMENT },
    { "ceiling", "ceiling_db", MQ_HTML_DECIBELS },
    { "largest error", "max_abs", MQ_HTML_REAL }, { "relative", "max_rel", MQ_HTML_REAL },
    { "cosine", "cosine", MQ_HTML_REAL }, { "arg-max agrees", "agreement", MQ_HTML_SHARE },
    { "outside", "outside", MQ_HTML_COUNT }, { "of", "elements", MQ_HTML_COUNT }, { "note", "note", MQ_HTML_TEXT }, { 0 },
};
static const mq_html_column LAYER[] = {
    { "layer", "name", MQ_HTML_NAME }, { "operator", "op_type", MQ_HTML_TEXT }, { "own", "own_db", MQ_HTML_DECIBELS },
    { "weights", "weights_db", MQ_HTML_DECIBELS }, { "inputs", "activations_db", MQ_HTML_DECIBELS },
    { "16-bit sums", "saturation_db", MQ_HTML_DECIBELS }, { "so far", "accumulated_db", MQ_HTML_DECIBELS },
    { "drifts here", "first", MQ_HTML_YES }, { "cause", "cause", MQ_HTML_TEXT }, { "input", "input", MQ_HTML_NAME },
    { "why", "why", MQ_HTML_TEXT }, { "options", "remedy", MQ_HTML_TEXT }, { 0 },
};
static const mq_html_column LATENCY[] = {
    { "model", "model", MQ_HTML_NAME }, { "engine", "engine", MQ_HTML_TEXT }, { "threads", "threads", MQ_HTML_COUNT },
    { "batch", "batch", MQ_HTML_COUNT }, { "median", "ms.median", MQ_HTML_REAL }, { "min", "ms.min", MQ_HTML_REAL },
    { "p90", "ms.p90", MQ_HTML_REAL }, { "p99", "ms.p99", MQ_HTML_REAL }, { "95 % interval", "ms.ci95", MQ_HTML_LIST },
    { "speedup", "speedup.value", MQ_HTML_REAL }, { "95 % interval", "speedup.ci95", MQ_HTML_LIST },
    { "activations", "peak_activation_bytes", MQ_HTML_BYTES }, { 0 },
};
static const mq_html_column MODEL[] = {
    { "model", "model", MQ_HTML_NAME }, { "size", "total_bytes", MQ_HTML_BYTES }, { "MACs", "macs", MQ_HTML_COUNT }, { 0 },
};
static const mq_html_column EPOCH[] = {
    { "epoch", "epoch", MQ_HTML_COUNT }, { "loss", "loss", MQ_HTML_REAL }, { "metric", "metric", MQ_HTML_REAL },
    { "learning rate", "rate", MQ_HTML_REAL }, { NULL, NULL, MQ_HTML_TEXT },
};
static const mq_html_column SENSITIVITY[] = {
    { "form", "form", MQ_HTML_TEXT }, { "zeros", "sparsity", MQ_HTML_SHARE },
    { "SQNR of the outputs, dB", "sqnr_db", MQ_HTML_REAL }, { "metric", "metric", MQ_HTML_REAL }, { 0 },
};
static const mq_html_column KEPT_LAYERS[] = {
    { "layer", "name", MQ_HTML_NAME }, { "operator", "op_type", MQ_HTML_NAME }, { "form", "form", MQ_HTML_TEXT },
    { "SQNR if quantized alone, dB", "sqnr_db", MQ_HTML_REAL }, { "bytes more", "bytes_more", MQ_HTML_COUNT }, { 0 },
};
static const mq_html_column TRIED[] = {
    { "layers in another form", "others", MQ_HTML_COUNT }, { "bytes", "bytes", MQ_HTML_COUNT },
    { "SQNR, dB", "sqnr_db", MQ_HTML_REAL }, { "metric", "metric", MQ_HTML_REAL }, { "drop", "drop", MQ_HTML_REAL },
    { "held", "held", MQ_HTML_YES }, { 0 },
};
static const mq_html_column ROUNDS[] = {
    { "round", "round", MQ_HTML_COUNT }, { "zeros", "sparsity", MQ_HTML_BAR }, { "metric", "metric", MQ_HTML_REAL }, { 0 },
};
static const mq_html_column PRUNED[] = {
    { "weight", "name", MQ_HTML_NAME }, { "shape", "shape", MQ_HTML_SHAPE },
    { "zeros", "sparsity", MQ_HTML_BAR }, { "asked", "asked", MQ_HTML_ASKED },
    { "before", "sparsity_before", MQ_HTML_SHARE }, { "norm kept", "kept_norm", MQ_HTML_SHARE },
    { "size", "bytes", MQ_HTML_BYTES }, { "as coordinates", "sparse_bytes", MQ_HTML_BYTES },
    { "stored", "stored", MQ_HTML_TEXT }, { 0 },
};
static const mq_html_column GROUPS[] = {
    { "channels", "name", MQ_HTML_NAME }, { "kind", "kind", MQ_HTML_TEXT }, { "were", "channels", MQ_HTML_COUNT },
    { "are", "left", MQ_HTML_COUNT }, { "gone", "sparsity", MQ_HTML_BAR }, { "asked", "asked", MQ_HTML_ASKED },
    { "made by", "made_by", MQ_HTML_LIST }, { 0 },
};
static const mq_html_column LAYERS[] = {
    { "layer up to", "name", MQ_HTML_NAME }, { "score", "score", MQ_HTML_REAL }, { "gone", "gone", MQ_HTML_YES }, { 0 },
};
static const mq_html_column METRIC[] = {
    { "metric", "name", MQ_HTML_TEXT }, { "value", "value", MQ_HTML_REAL }, { "worse by", "drop.value", MQ_HTML_SHARE },
    { "95 % interval", "drop.ci95", MQ_HTML_LIST }, { 0 },
};
static const mq_html_column COST[] = {
    { "node", "name", MQ_HTML_NAME }, { "operator", "op_type", MQ_HTML_NAME }, { "ms", "ms", MQ_HTML_REAL },
    { "share", "share", MQ_HTML_SHARE }, { "MACs", "macs", MQ_HTML_COUNT }, { "GFLOP/s", "gflops", MQ_HTML_REAL },
    { "GB/s", "gbytes_per_second", MQ_HTML_REAL }, { 0 },
};
static const mq_html_column REWRITE[] = {
    { "rewrite", "name", MQ_HTML_NAME }, { "times", "changed", MQ_HTML_COUNT }, { "what", "summary", MQ_HTML_TEXT }, { 0 },
};
static const mq_html_column PART[] = {
    { "part", "file", MQ_HTML_NAME }, { "size", "bytes", MQ_HTML_BYTES }, { "nodes", "nodes", MQ_HTML_COUNT },
    { "MACs", "macs", MQ_HTML_COUNT }, { "takes", "inputs", MQ_HTML_LIST }, { "gives", "outputs", MQ_HTML_LIST }, { 0 },
};
static const mq_html_column CONNECTION[] = {
    { "from", "from", MQ_HTML_NAME }, { "output", "output", MQ_HTML_NAME }, { "to", "to", MQ_HTML_NAME },
    { "input", "input", MQ_HTML_NAME }, { 0 },
};
static const mq_html_column CHANGED[] = {
    { "tensor", "name", MQ_HTML_NAME }, { "used by", "nodes", MQ_HTML_LIST }, { "shape", "shape", MQ_HTML_SHAPE },
    { "from", "from", MQ_HTML_TEXT }, { "to", "to", MQ_HTML_TEXT }, { "how", "treatment", MQ_HTML_TEXT },
    { "SQNR", "sqnr_db", MQ_HTML_SQNR }, { "largest error", "max_abs_error", MQ_HTML_REAL },
    { "clipped", "clipped", MQ_HTML_COUNT }, { "before", "bytes_before", MQ_HTML_BYTES },
    { "after", "bytes_after", MQ_HTML_BYTES }, { 0 },
};
static const mq_html_column ACTIVATION[] = {
    { "tensor", "name", MQ_HTML_NAME }, { "for", "node", MQ_HTML_NAME }, { "type", "type", MQ_HTML_TEXT },
    { "values (log), clipped ones red", "histogram", MQ_HTML_HISTOGRAM },
    { "least", "low", MQ_HTML_REAL }, { "most", "high", MQ_HTML_REAL }, { "scale", "scale", MQ_HTML_REAL },
    { "zero point", "zero_point", MQ_HTML_COUNT }, { "SQNR", "sqnr_db", MQ_HTML_SQNR },
    { "clipped", "clipped", MQ_HTML_COUNT }, { "of", "values", MQ_HTML_COUNT }, { 0 },
};
static const mq_html_column SATURATING[] = {
    { "tensor", "name", MQ_HTML_NAME }, { "node", "node", MQ_HTML_NAME }, { "sum with 8 bits", "sum", MQ_HTML_COUNT },
    { "bits", "bits", MQ_HTML_COUNT }, { 0 },
};
static const mq_html_column EDGE[] = {
    { "", "role", MQ_HTML_TEXT }, { "tensor", "name", MQ_HTML_NAME }, { "type", "type", MQ_HTML_TEXT },
    { "scale", "scale", MQ_HTML_REAL }, { "zero point", "zero_point", MQ_HTML_COUNT }, { 0 },
};
static const mq_html_column KEPT[] = {
    { "tensor", "name", MQ_HTML_NAME }, { "node", "node", MQ_HTML_NAME }, { "operator", "op_type", MQ_HTML_TEXT },
    { "size", "bytes", MQ_HTML_BYTES }, { "why", "reason", MQ_HTML_TEXT }, { 0 },
};
static const mq_html_column WARNING[] = {
    { "code", "code", MQ_HTML_NAME }, { "times", "count", MQ_HTML_COUNT }, { "place", "place", MQ_HTML_NAME },
    { "what", "text", MQ_HTML_TEXT }, { 0 },
};
static const mq_html_column WORST[] = {
    { "tensor", "name", MQ_HTML_NAME }, { "used by", "nodes", MQ_HTML_LIST }, { "SQNR", "sqnr_db", MQ_HTML_SQNR },
    { "largest error", "max_abs_error", MQ_HTML_REAL }, { 0 },
};
static const mq_html_column FILES[] = {
    { "", "role", MQ_HTML_TEXT }, { "file", "path", MQ_HTML_NAME }, { "size", "bytes", MQ_HTML_BYTES },
    { "SHA-256", "sha256", MQ_HTML_NAME }, { 0 },
};
static const mq_html_column STEP[] = {
    { "step", "name", MQ_HTML_TEXT }, { "seconds", "seconds", MQ_HTML_REAL },
    { "peak memory", "peak_memory_bytes", MQ_HTML_BYTES }, { 0 },
};

static void heading(mq_str *out, const json_t *doc)
{
    const json_t *tool = json_object_get(doc, "tool"), *error = json_object_get(doc, "error");
    const char *verdict = mq_json_get_text(doc, "verdict"), *command = mq_json_get_text(tool, "command");
    const bool pass = strcmp(verdict, "pass") == 0;

    mq_str_add(out, "<title>mq ");
    mq_html_text(out, command);
    mq_str_addf(out, ": %s</title>\n</head>\n<body>\n<h1>mq ", verdict);
    mq_html_text(out, command);
    mq_str_addf(out, ": <b class=\"%s\">%s %s</b></h1>\n", pass ? "pass" : "fail", verdict, pass ? "✓" : "✗");
    if (error) {
        mq_str_add(out, "<p>");
        mq_html_text(out, mq_json_get_text(error, "text"));
        mq_str_addf(out, " (exit status %lld)</p>\n", (long long)mq_json_get_int(error, "exit_status"));
    }
}

/* ---- before and after --------------------------------------------------------------------------------------------- */

static void size_bars(mq_str *out, int64_t before, int64_t after)
{
    const int64_t sizes[] = { before, after }, most = before > after ? before : after;

    mq_str_add(out, "<div class=\"size\">\n");
    for (int i = 0; i < 2 && most > 0; i++) {
        mq_str_addf(out, "<span>%s</span><div><i style=\"width:%.2f%%\"></i></div><span class=\"n\">",
                    i ? "after" : "before", 100.0 * (double)sizes[i] / (double)most);
        mq_str_add_bytes(out, (uint64_t)sizes[i]);
        if (i) {
            mq_str_add(out, " ");
            mq_str_add_change(out, before, after);
        }
        mq_str_add(out, "</span>\n");
    }
    mq_str_add(out, "</div>\n");
}

static void figure_row(mq_str *out, const char *what, const json_t *before, const json_t *after, const char *key,
                       bool is_size)
{
    const json_t *sides[] = { before, after };

    if (!json_object_get(before, key) && !json_object_get(after, key))
        return;
    mq_str_add(out, "<tr><td>");
    mq_html_text(out, what);
    mq_str_add(out, "</td>");
    for (int i = 0; i < (after ? 2 : 1); i++) {
        mq_str_add(out, "<td class=\"n\">");
        if (is_size)
            mq_str_add_bytes(out, (uint64_t)mq_json_get_int(sides[i], key));
        else
            mq_str_add_count(out, (uint64_t)mq_json_get_int(sides[i], key));
        mq_str_add(out, "</td>");
    }
    if (after) {
        mq_str_add(out, "<td class=\"n\">");
        if (mq_json_get_int(before, key) != mq_json_get_int(after, key))
            mq_str_add_change(out, mq_json_get_int(before, key), mq_json_get_int(after, key));
        mq_str_add(out, "</td>");
    }
    mq_str_add(out, "</tr>\n");
}

static void figures_head(mq_str *out, const char *what, bool two)
{
    mq_str_addf(out, "<div class=\"wide facts\"><table>\n<tr><th>%s</th>%s</tr>\n", what,
                two ? "<th class=\"n\">before</th><th class=\"n\">after</th><th class=\"n\">change</th>" : "<th></th>");
}

/* Every key of either object, those of `before` first. */
static void key_rows(mq_str *out, const json_t *before, const json_t *after, bool is_size)
{
    for (int side = 0; side < 2; side++) {
        json_t *object = (json_t *)(side ? after : before); /* iterating takes a plain pointer */
        for (void *it = json_object_iter(object); it && !out->failed; it = json_object_iter_next(object, it)) {
            const char *key = json_object_iter_key(it);
            if (!side || !json_object_get(before, key))
                figure_row(out, key, before, after, key, is_size);
        }
    }
}

static void key_table(mq_str *out, const char *what, const json_t *before, const json_t *after, bool is_size)
{
    if (!json_object_size(before) && !json_object_size(after))
        return;
    figures_head(out, what, after != NULL);
    key_rows(out, before, after, is_size);
    mq_str_add(out, "</table></div>\n");
}

static void before_after(mq_str *out, const json_t *doc)
{
    const json_t *before = json_object_get(doc, "before"), *after = json_object_get(doc, "after");
    const json_t *size_a = json_object_get(before, "size"), *size_b = json_object_get(after, "size");

    if (!before)
        return;
    mq_str_addf(out, "<h2>%s</h2>\n", after ? "Before and after" : "Before");
    if (after)
        size_bars(out, mq_json_get_int(size_a, "total_bytes"), mq_json_get_int(size_b, "total_bytes"));
    figures_head(out, "the model", after != NULL);
    figure_row(out, "size", size_a, size_b, "total_bytes", true);
    figure_row(out, "all but weights", size_a, size_b, "other_bytes", true);
    figure_row(out, "parameters", before, after, "parameters", false);
    figure_row(out, "tensors", before, after, "tensors", false);
    figure_row(out, "nodes", before, after, "nodes", false);
    figure_row(out, "IR version", before, after, "ir_version", false);
    mq_str_add(out, "</table></div>\n");
    key_table(out, "weights", json_object_get(size_a, "weights"), json_object_get(size_b, "weights"), true);
    key_table(out, "opset", json_object_get(before, "opsets"), json_object_get(after, "opsets"), false);
    mq_str_add(out, "<details open><summary><h2>Operators</h2></summary>\n");
    key_table(out, "operator", json_object_get(before, "operators"), json_object_get(after, "operators"), false);
    mq_str_add(out, "</details>\n");
}

/* ---- the page ----------------------------------------------------------------------------------------------------- */

static void note(mq_str *out, const char *what, const json_t *section, const char *name)
{
    if (!section)
        return;
    mq_str_addf(out, "<p><b>%s</b>: ", what);
    mq_html_text(out, mq_json_get_text(section, name));
    if (*mq_json_get_text(section, "note")) {
        mq_str_add(out, "; ");
        mq_html_text(out, mq_json_get_text(section, "note"));
    }
    mq_str_add(out, "</p>\n");
}

static void said(mq_str *out, const char *what, const json_t *facts, void (*say)(mq_str *out, const json_t *facts))
{
    if (!facts)
        return;
    mq_str_addf(out, "<p><b>%s</b>: ", what);
    say(out, facts);
    mq_str_add(out, "</p>\n");
}

/* The list called `key` of each model, under the model's name. */
static void by_model(mq_str *out, const char *title, const json_t *models, const char *key, const mq_html_column *columns)
{
    if (!json_array_size(models))
        return;
    mq_str_addf(out, "<h2>%s</h2>\n", title);
    for (size_t i = 0; i < json_array_size(models); i++) {
        const json_t *m = json_array_get(models, i);
        mq_str_add(out, "<h3>");
        mq_html_code(out, mq_json_get_text(m, "model"));
        mq_str_add(out, "</h3>\n");
        mq_html_table(out, json_object_get(m, key), columns);
    }
}

/* What each layer loses when it alone is changed, as curves under its name. */
static void sensitivity(mq_str *out, const json_t *layers)
{
    if (!json_array_size(layers))
        return;
    mq_str_add(out, "<details><summary><h2>Sensitivity: one layer changed, all others as they were</h2></summary>\n");
    for (size_t i = 0; i < json_array_size(layers) && !out->failed; i++) {
        const json_t *layer = json_array_get(layers, i);

        mq_str_add(out, "<h3>");
        mq_html_code(out, mq_json_get_text(layer, "name"));
        mq_str_add(out, "</h3>\n");
        mq_html_table(out, json_object_get(layer, "points"), SENSITIVITY);
        if (!json_object_get(json_array_get(json_object_get(layer, "points"), 0), "form"))
            mq_html_sensitivity(out, layer);
    }
    mq_str_add(out, "</details>\n");
}

/* What bench has measured. */
static void measurements(mq_str *out, const json_t *doc)
{
    mq_html_section(out, "Latency, ms; speedup over the first row of its case", json_object_get(doc, "latency"), LATENCY);
    mq_html_section(out, "Models", json_object_get(doc, "models"), MODEL);
    by_model(out, "Metrics", json_object_get(doc, "metrics"), "values", METRIC);
    by_model(out, "Training", json_object_get(doc, "training"), "epochs", EPOCH);
    for (size_t i = 0; i < json_array_size(json_object_get(doc, "training")); i++)
        mq_html_curves(out, json_array_get(json_object_get(doc, "training"), i));
    sensitivity(out, json_object_get(doc, "sensitivity"));
    by_model(out, "Profile by operator", json_object_get(doc, "profile"), "operators", COST + 1);
    by_model(out, "Profile by node", json_object_get(doc, "profile"), "nodes", COST);
}

static void warnings(mq_str *out, const json_t *list)
{
    json_t *codes = mq_report_by_code(list);

    out->failed |= !codes;
    mq_html_section(out, "Warnings", codes, WARNING);
    if (json_array_size(list) > json_array_size(codes))
        mq_html_section(out, "All warnings", list, WARNING);
    json_decref(codes);
}

/* Which weights are zero now, and what that is worth. */
static void pruned(mq_str *out, const json_t *prune)
{
    const json_t *worth = json_object_get(prune, "worth");

    if (!prune)
        return;
    said(out, "Pruned", prune, mq_str_add_pruned);
    if (json_object_get(prune, "rounds"))
        said(out, "Trained", prune, mq_str_add_rounds);
    note(out, "Worth", worth, "text");
    if (json_object_get(worth, "gzip_bytes"))
        said(out, "Compressed", worth, mq_str_add_gzip);
    mq_html_section(out, "Rounds", json_object_get(prune, "rounds"), ROUNDS);
    mq_html_section(out, "Pruned weights", json_object_get(prune, "tensors"), PRUNED);
    mq_html_section(out, "Coupled channels", json_object_get(prune, "groups"), GROUPS);
    mq_html_section(out, "Layers", json_object_get(prune, "layers"), LAYERS);
}

static void searched(mq_str *out, const json_t *search)
{
    if (!search)
        return;
    said(out, "Search", search, mq_str_add_search);
    mq_html_section(out, "Layers in another form than asked for", json_object_get(search, "kept"), KEPT_LAYERS);
    mq_html_section(out, "Models tried", json_object_get(search, "tried"), TRIED);
}

/* What became of the tensors. */
static void tensors(mq_str *out, const json_t *doc)
{
    const json_t *changed = json_object_get(doc, "changed"), *worst = json_object_get(doc, "worst_layers");
    const json_t *activations = json_object_get(doc, "activations");

    pruned(out, json_object_get(doc, "prune"));
    searched(out, json_object_get(doc, "search"));
    mq_html_plot(out, "Signal to noise ratio of the changed tensors", changed, "name");
    mq_html_section(out, "Changed tensors", changed, CHANGED);
    mq_html_plot(out, "Signal to noise ratio of the activations, by calibration", activations, "name");
    mq_html_section(out, "Activations", activations, ACTIVATION);
    mq_html_section(out, "Weights with 7 of 8 bits, or saturating", json_object_get(doc, "saturating"), SATURATING);
    mq_html_section(out, "Inputs and outputs that are integers q: (q - zero point) × scale", json_object_get(doc, "io"),
                    EDGE);
    mq_html_section(out, "Kept as they are", json_object_get(doc, "kept"), KEPT);
    warnings(out, json_object_get(doc, "warnings"));
    mq_html_section(out, "Worst layers", worst, WORST);
}

/* The list has outputs first; a plot along the graph has them last. */
static void agreement_plot(mq_str *out, const json_t *agreement)
{
    json_t *along = json_array();

    out->failed |= !along;
    for (int outputs = 0; outputs < 2; outputs++)
        for (size_t i = 0; i < json_array_size(agreement); i++) {
            json_t *e = json_array_get(agreement, i);
            if (mq_json_get_bool(e, "output") == (outputs == 1))
                out->failed |= json_array_append(along, e) != 0;
        }
    mq_html_plot(out, "Agreement with the reference: signal to noise ratio", along, "tensor");
    json_decref(along);
}

void mq_render_html(const json_t *doc, mq_str *out)
{
    const json_t *agreement = json_object_get(doc, "agreement"), *measured = json_object_get(doc, "measured");

    mq_str_add(out, HEAD);
    heading(out, doc);
    mq_html_section(out, "Bounds", json_object_get(doc, "bounds"), BOUND);
    mq_html_section(out, "Findings", json_object_get(doc, "findings"), FINDING);
    agreement_plot(out, agreement);
    mq_html_section(out, "Agreement with the reference", agreement, AGREEMENT);
    mq_html_section(out, "Layers, the largest error of their own first", json_object_get(doc, "layers"), LAYER);
    mq_html_outline(out, "Tests", json_object_get(doc, "tests"), true);
    mq_html_outline(out, "The run", json_object_get(doc, "run"), true);
    measurements(out, doc);
    before_after(out, doc);
    note(out, "Mode", json_object_get(doc, "mode"), "name");
    mq_html_section(out, "Parts", json_object_get(doc, "parts"), PART);
    mq_html_section(out, "Connections", json_object_get(doc, "connections"), CONNECTION);
    mq_html_section(out, "Rewrites", json_object_get(json_object_get(doc, "rewrites"), "passes"), REWRITE);
    note(out, "Proof", json_object_get(doc, "proof"), "mode");
    said(out, "Refined", json_object_get(doc, "refinements"), mq_str_add_refinements);
    said(out, "Speed", json_object_get(measured, "speed"), mq_str_add_speed);
    tensors(out, doc);
    mq_html_outline(out, "The model", json_object_get(doc, "model"), true);
    mq_html_outline(out, "Options", json_object_get(doc, "options"), false);
    mq_html_section(out, "Files", json_object_get(doc, "files"), FILES);
    mq_html_section(out, "Steps", json_object_get(measured, "steps"), STEP);
    mq_html_outline(out, "Measured", measured, false);
    mq_str_add(out, "</body>\n</html>\n");
}
