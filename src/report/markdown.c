/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The Markdown form (GitHub flavoured), for job summaries and pull requests: what decides first, long tables folded and
 * cut. Each table has a budget of bytes; they add up to less than the 60 kB that the form promises (GitHub takes 64 kB). */
#include <string.h>

#include "report/markdown.h"

enum {
    BUDGET_SHORT = 2500, /* of 9 tables; those of agreement, a run, bench and prune stand in for tables of quantize */
    BUDGET_LONG = 5500,  /* of 6 tables */
};

/* ---- rows --------------------------------------------------------------------------------------------------------- */

static void bound_row(mq_str *out, const json_t *b)
{
    mq_str_add(out, "| ");
    mq_md_prose(out, mq_json_get_text(b, "name"));
    if (json_object_get(b, "tensor")) {
        mq_str_add(out, " ");
        mq_md_code(out, mq_json_get_text(b, "tensor"));
    }
    mq_str_add(out, " | ");
    mq_md_prose(out, mq_json_get_text(b, "asked"));
    mq_str_add(out, " | ");
    mq_md_prose(out, mq_json_get_text(b, "got"));
    mq_str_add(out, mq_json_get_bool(b, "pass") ? " | ✓ |\n" : " | ✗ |\n");
}

/* "0.0127", or "not finite" for null. */
static void figure(mq_str *out, const json_t *e, const char *key, const char *format, double factor)
{
    double v;

    mq_str_add(out, " | ");
    if (mq_json_get_real(e, key, &v))
        mq_str_addf(out, format, v * factor);
    else
        mq_str_add(out, "not finite");
}

static void agreement_row(mq_str *out, const json_t *a)
{
    mq_str_add(out, mq_json_get_bool(a, "ok") ? "| ✓ | " : mq_json_get_bool(a, "output") ? "| ✗ | " : "| | ");
    mq_md_code(out, mq_json_get_text(a, "tensor"));
    mq_str_add(out, " | ");
    if (json_object_get(a, "note")) {
        mq_md_prose(out, mq_json_get_text(a, "note"));
        mq_str_add(out, " | | | | | |\n");
        return;
    }
    mq_str_add_agreement(out, a);
    mq_str_add_ceiling(out, a);
    figure(out, a, "max_abs", "%.3g", 1);
    figure(out, a, "max_rel", "%.3g", 1);
    figure(out, a, "cosine", "%.6f", 1);
    figure(out, a, "agreement", "%.2f%%", 100);
    mq_str_add(out, " | ");
    mq_str_add_count(out, (uint64_t)mq_json_get_int(a, "outside"));
    mq_str_add(out, " of ");
    mq_str_add_count(out, (uint64_t)mq_json_get_int(a, "elements"));
    mq_str_add(out, " |\n");
}

static void decibels(mq_str *out, const json_t *e, const char *key)
{
    double v;

    mq_str_add(out, " | ");
    if (mq_json_get_real(e, key, &v))
        mq_str_addf(out, "%.1f dB", v);
    else
        mq_str_add(out, !json_object_get(e, key) ? "" : mq_json_get_bool(e, "not_finite") ? "-" : "exact");
}

static void layer_row(mq_str *out, const json_t *l)
{
    mq_str_add(out, mq_json_get_bool(l, "first") ? "| first: " : "| ");
    mq_md_code(out, mq_json_get_text(l, "name"));
    decibels(out, l, "own_db");
    decibels(out, l, "weights_db");
    decibels(out, l, "activations_db");
    decibels(out, l, "accumulated_db");
    mq_str_add(out, " | ");
    mq_md_prose(out, mq_json_get_text(l, "cause"));
    mq_str_add(out, " | ");
    mq_md_prose(out, mq_json_get_text(l, "why"));
    mq_str_add(out, " | ");
    mq_md_prose(out, mq_json_get_text(l, "remedy"));
    mq_str_add(out, " |\n");
}

static void finding_row(mq_str *out, const json_t *f)
{
    mq_str_addf(out, "| %s | ", mq_json_get_text(f, "level"));
    mq_md_code(out, mq_json_get_text(f, "place"));
    mq_str_add(out, " | ");
    mq_md_prose(out, mq_json_get_text(f, "text"));
    mq_str_add(out, " | ");
    mq_md_code(out, mq_json_get_text(f, "code"));
    mq_str_add(out, " |\n");
}

/* "4.21 (4.19 to 4.26)" of {value, ci95}. */
static void figure_of(mq_str *out, const json_t *value, const json_t *ci)
{
    mq_str_addf(out, "%.4g (%.4g to %.4g)", json_number_value(value), json_number_value(json_array_get(ci, 0)),
                json_number_value(json_array_get(ci, 1)));
}

static void latency_row(mq_str *out, const json_t *l)
{
    const json_t *ms = json_object_get(l, "ms"), *speedup = json_object_get(l, "speedup");

    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(l, "model"));
    mq_str_addf(out, " | %s | %lld | %lld | ", mq_json_get_text(l, "engine"), (long long)mq_json_get_int(l, "threads"),
                (long long)mq_json_get_int(l, "batch"));
    figure_of(out, json_object_get(ms, "median"), json_object_get(ms, "ci95"));
    figure(out, ms, "min", "%.4g", 1);
    figure(out, ms, "p90", "%.4g", 1);
    figure(out, ms, "p99", "%.4g", 1);
    mq_str_add(out, " | ");
    figure_of(out, json_object_get(speedup, "value"), json_object_get(speedup, "ci95"));
    mq_str_add(out, " | ");
    if (json_object_get(l, "peak_activation_bytes"))
        mq_str_add_bytes(out, (uint64_t)mq_json_get_int(l, "peak_activation_bytes"));
    mq_str_add(out, " |\n");
}

static void model_row(mq_str *out, const json_t *m)
{
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(m, "model"));
    mq_str_add(out, " | ");
    mq_str_add_bytes(out, (uint64_t)mq_json_get_int(m, "total_bytes"));
    mq_str_add(out, " | ");
    if (json_object_get(m, "macs"))
        mq_str_add_count(out, (uint64_t)mq_json_get_int(m, "macs"));
    mq_str_add(out, " |\n");
}

static void metric_row(mq_str *out, const json_t *m)
{
    const json_t *drop = json_object_get(m, "drop"), *ci = json_object_get(drop, "ci95");

    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(m, "model"));
    mq_str_add(out, mq_json_get_bool(m, "main") ? " | **" : " | ");
    mq_md_prose(out, mq_json_get_text(m, "name"));
    mq_str_add(out, mq_json_get_bool(m, "main") ? "**" : "");
    figure(out, m, "value", "%.6g", 1);
    mq_str_add(out, " | ");
    if (drop)
        mq_str_addf(out, "%.3g%%", 100 * json_number_value(json_object_get(drop, "value")));
    if (ci)
        mq_str_addf(out, " (%.3g%% to %.3g%%)", 100 * json_number_value(json_array_get(ci, 0)),
                    100 * json_number_value(json_array_get(ci, 1)));
    mq_str_add(out, " |\n");
}

static void epoch_row(mq_str *out, const json_t *e)
{
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(e, "model"));
    mq_str_addf(out, " | %lld", (long long)mq_json_get_int(e, "epoch"));
    figure(out, e, "loss", "%.5g", 1);
    figure(out, e, "metric", "%.5g", 1);
    mq_str_add(out, " |\n");
}

/* All points' values in one cell; those that are not finite are a dash. */
static void series(mq_str *out, const json_t *points, const char *key, const char *format)
{
    double v;

    mq_str_add(out, " | ");
    for (size_t i = 0; i < json_array_size(points); i++) {
        mq_str_add(out, i ? ", " : "");
        if (mq_json_get_real(json_array_get(points, i), key, &v))
            mq_str_addf(out, format, v);
        else
            mq_str_add(out, "-");
    }
}

/* What was quantized has forms instead of shares of zeros. */
static void forms(mq_str *out, const json_t *points)
{
    mq_str_add(out, " | ");
    for (size_t i = 0; i < json_array_size(points); i++) {
        mq_str_add(out, i ? ", " : "");
        mq_str_add(out, mq_json_get_text(json_array_get(points, i), "form"));
    }
}

static void sensitivity_row(mq_str *out, const json_t *layer)
{
    const json_t *points = json_object_get(layer, "points");

    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(layer, "name"));
    if (json_object_get(json_array_get(points, 0), "form"))
        forms(out, points);
    else
        series(out, points, "sparsity", "%.2g");
    series(out, points, "sqnr_db", "%.1f");
    series(out, points, "metric", "%.4g");
    mq_str_add(out, " |\n");
}

static void cost_row(mq_str *out, const json_t *c)
{
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(c, "model"));
    mq_str_add(out, " | ");
    mq_md_code(out, *mq_json_get_text(c, "name") ? mq_json_get_text(c, "name") : mq_json_get_text(c, "op_type"));
    figure(out, c, "ms", "%.4g", 1);
    figure(out, c, "share", "%.1f%%", 100);
    mq_str_add(out, " | ");
    mq_str_add_count(out, (uint64_t)mq_json_get_int(c, "macs"));
    figure(out, c, "gflops", "%.4g", 1);
    figure(out, c, "gbytes_per_second", "%.4g", 1);
    mq_str_add(out, " |\n");
}

static void rewrite_row(mq_str *out, const json_t *p)
{
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(p, "name"));
    mq_str_addf(out, " | %lld | ", (long long)mq_json_get_int(p, "changed"));
    mq_md_prose(out, mq_json_get_text(p, "summary"));
    mq_str_add(out, " |\n");
}

static void names_cell(mq_str *out, const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        mq_str_add(out, i ? ", " : "");
        mq_md_code(out, json_string_value(json_array_get(names, i)));
    }
    mq_str_add(out, " | ");
}

static void part_row(mq_str *out, const json_t *p)
{
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(p, "file"));
    mq_str_add(out, " | ");
    mq_str_add_bytes(out, (uint64_t)mq_json_get_int(p, "bytes"));
    mq_str_addf(out, " | %lld | ", (long long)mq_json_get_int(p, "nodes"));
    if (json_is_integer(json_object_get(p, "macs")))
        mq_str_add_count(out, (uint64_t)mq_json_get_int(p, "macs"));
    mq_str_add(out, " | ");
    names_cell(out, json_object_get(p, "inputs"));
    names_cell(out, json_object_get(p, "outputs"));
    mq_str_add(out, "\n");
}

static void connection_row(mq_str *out, const json_t *c)
{
    static const char *const keys[] = { "from", "output", "to", "input" };

    for (size_t i = 0; i < 4; i++) {
        mq_str_add(out, "| ");
        mq_md_code(out, mq_json_get_text(c, keys[i]));
        mq_str_add(out, " ");
    }
    mq_str_add(out, "|\n");
}

static void changed_row(mq_str *out, const json_t *c)
{
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(c, "name"));
    mq_str_add(out, " | ");
    mq_str_add_shape(out, json_object_get(c, "shape"));
    mq_str_addf(out, " | %s → %s | ", mq_json_get_text(c, "from"), mq_json_get_text(c, "to"));
    mq_str_add_sqnr(out, c);
    mq_str_add(out, " | ");
    mq_str_add_bytes(out, (uint64_t)mq_json_get_int(c, "bytes_before"));
    mq_str_add(out, " → ");
    mq_str_add_bytes(out, (uint64_t)mq_json_get_int(c, "bytes_after"));
    mq_str_add(out, " |\n");
}

static void activation_row(mq_str *out, const json_t *a)
{
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(a, "name"));
    mq_str_addf(out, " | %s", mq_json_get_text(a, "type"));
    figure(out, a, "low", "%.4g", 1);
    figure(out, a, "high", "%.4g", 1);
    mq_str_add(out, " | ");
    mq_str_add_sqnr(out, a);
    mq_str_add(out, " | ");
    if (json_object_get(a, "clipped"))
        mq_str_addf(out, "%lld of %lld", (long long)mq_json_get_int(a, "clipped"), (long long)mq_json_get_int(a, "values"));
    mq_str_add(out, " |\n");
}

static void saturating_row(mq_str *out, const json_t *s)
{
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(s, "name"));
    mq_str_add(out, " | ");
    mq_md_code(out, mq_json_get_text(s, "node"));
    mq_str_addf(out, " | %lld | %lld |\n", (long long)mq_json_get_int(s, "sum"), (long long)mq_json_get_int(s, "bits"));
}

static void edge_row(mq_str *out, const json_t *e)
{
    mq_str_addf(out, "| %s | ", mq_json_get_text(e, "role"));
    mq_md_code(out, mq_json_get_text(e, "name"));
    mq_str_addf(out, " | %s", mq_json_get_text(e, "type"));
    figure(out, e, "scale", "%.9g", 1);
    mq_str_addf(out, " | %lld |\n", (long long)mq_json_get_int(e, "zero_point"));
}

static void kept_row(mq_str *out, const json_t *k)
{
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(k, "name"));
    mq_str_add(out, " | ");
    mq_md_prose(out, mq_json_get_text(k, "op_type"));
    mq_str_add(out, " | ");
    mq_str_add_bytes(out, (uint64_t)mq_json_get_int(k, "bytes"));
    mq_str_add(out, " | ");
    mq_md_prose(out, mq_json_get_text(k, "reason"));
    mq_str_add(out, " |\n");
}

static void warning_row(mq_str *out, const json_t *w)
{
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(w, "code"));
    mq_str_addf(out, " | %lld | ", (long long)mq_json_get_int(w, "count"));
    mq_md_code(out, mq_json_get_text(w, "place"));
    mq_str_add(out, " | ");
    mq_md_prose(out, mq_json_get_text(w, "text"));
    mq_str_add(out, " |\n");
}

static void worst_row(mq_str *out, const json_t *e)
{
    double error;

    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(e, "name"));
    mq_str_add(out, " | ");
    mq_md_code(out, json_string_value(json_array_get(json_object_get(e, "nodes"), 0))
                  ? json_string_value(json_array_get(json_object_get(e, "nodes"), 0))
                  : "");
    mq_str_add(out, " | ");
    mq_str_add_sqnr(out, e);
    if (mq_json_get_real(e, "max_abs_error", &error))
        mq_str_addf(out, " | %.3g |\n", error);
    else
        mq_str_add(out, " | - |\n");
}

static void file_row(mq_str *out, const json_t *f)
{
    mq_str_addf(out, "| %s | ", mq_json_get_text(f, "role"));
    mq_md_code(out, mq_json_get_text(f, "path"));
    mq_str_add(out, " | ");
    mq_str_add_bytes(out, (uint64_t)mq_json_get_int(f, "bytes"));
    mq_str_add(out, " | ");
    mq_md_code(out, mq_json_get_text(f, "sha256"));
    mq_str_add(out, " |\n");
}

/* ---- before and after --------------------------------------------------------------------------------------------- */

static void size_row(mq_str *out, const char *what, const json_t *before, const json_t *after, const char *key,
                     bool is_size)
{
    int64_t a = mq_json_get_int(before, key), b = mq_json_get_int(after, key);

    if (a == 0 && b == 0)
        return;
    mq_str_add(out, "| ");
    mq_md_prose(out, what);
    for (int i = 0; i < (after ? 2 : 1); i++) {
        mq_str_add(out, " | ");
        if (is_size)
            mq_str_add_bytes(out, (uint64_t)(i ? b : a));
        else
            mq_str_add_count(out, (uint64_t)(i ? b : a));
    }
    if (after) {
        mq_str_add(out, " | ");
        mq_str_add_change(out, a, b);
    }
    mq_str_add(out, " |\n");
}

/* Every key of either object, those of `before` first; with an `after` only what differs (nothing is said twice). */
static void key_rows(mq_str *out, const json_t *before, const json_t *after, bool is_size, const char *prefix)
{
    size_t end = out->n + BUDGET_SHORT, good = out->n;

    for (int side = 0; side < 2; side++) {
        json_t *object = (json_t *)(side ? after : before); /* iterating takes a plain pointer */
        for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
            const char *key = json_object_iter_key(it);
            mq_str what = { 0 };
            if ((side && json_object_get(before, key)) || out->n > end ||
                (after && !is_size && mq_json_get_int(before, key) == mq_json_get_int(after, key)))
                continue;
            mq_str_addf(&what, "%s%s", prefix, key);
            size_row(out, what.s ? what.s : "", before, after, key, is_size);
            out->failed |= what.failed;
            mq_str_release(&what);
            good = out->n > end ? good : out->n;
        }
    }
    if (out->n > end)
        mq_md_cut(out, good);
}

static void before_after(mq_str *out, const json_t *doc)
{
    const json_t *before = json_object_get(doc, "before"), *after = json_object_get(doc, "after");
    const json_t *size_a = json_object_get(before, "size"), *size_b = json_object_get(after, "size");

    if (!before)
        return;
    mq_str_add(out, after ? "| | before | after | change |\n| --- | ---: | ---: | ---: |\n" : "| | |\n| --- | ---: |\n");
    size_row(out, "size", size_a, size_b, "total_bytes", true);
    key_rows(out, json_object_get(size_a, "weights"), json_object_get(size_b, "weights"), true, "weights: ");
    size_row(out, "all but weights", size_a, size_b, "other_bytes", true);
    size_row(out, "parameters", before, after, "parameters", false);
    size_row(out, "nodes", before, after, "nodes", false);
    key_rows(out, json_object_get(before, "operators"), json_object_get(after, "operators"), false, "operator: ");
    key_rows(out, json_object_get(before, "opsets"), json_object_get(after, "opsets"), false, "opset: ");
    mq_str_add(out, "\n");
}

/* ---- the page ---------------------------------------------------------------------------------------------------- */

static void heading(mq_str *out, const json_t *doc)
{
    const json_t *tool = json_object_get(doc, "tool"), *error = json_object_get(doc, "error");
    const char *verdict = mq_json_get_text(doc, "verdict");

    mq_str_addf(out, "## mq %s: %s %s\n\n", mq_json_get_text(tool, "command"), verdict,
                strcmp(verdict, "pass") == 0 ? "✓" : "✗");
    if (error) {
        mq_md_prose(out, mq_json_get_text(error, "text"));
        mq_str_addf(out, " (exit status %lld)\n\n", (long long)mq_json_get_int(error, "exit_status"));
    }
}

static void warnings(mq_str *out, const json_t *list)
{
    json_t *codes = mq_report_by_code(list);

    out->failed |= !codes;
    if (json_array_size(codes)) {
        mq_str_add(out, "**Warnings**\n\n");
        mq_md_table(out, codes, "| code | times | first at | what |", warning_row, BUDGET_SHORT);
    }
    if (json_array_size(list) > json_array_size(codes))
        mq_md_folded_table(out, "All warnings", list, "| code | times | place | what |", warning_row,
                     BUDGET_LONG);
    json_decref(codes);
}

/* The lists called `key` of all models in one, each entry with its model's name. */
static json_t *join_models(const json_t *models, const char *key, bool *failed)
{
    json_t *all = json_array();

    for (size_t i = 0; i < json_array_size(models); i++) {
        const json_t *m = json_array_get(models, i), *list = json_object_get(m, key);

        for (size_t k = 0; k < json_array_size(list); k++) {
            json_t *entry = json_copy(json_array_get(list, k));

            *failed |= json_object_set(entry, "model", json_object_get(m, "model")) != 0;
            *failed |= json_array_append_new(all, entry) != 0;
        }
    }
    *failed |= !all;
    return all;
}

static void joined_table(mq_str *out, const char *title, const json_t *models, const char *key, const char *head,
                         mq_md_row row, size_t budget)
{
    json_t *all = join_models(models, key, &out->failed);

    mq_md_folded_table(out, title, all, head, row, budget);
    json_decref(all);
}

/* What bench has measured. */
static void measurements(mq_str *out, const json_t *doc)
{
    const json_t *latency = json_object_get(doc, "latency"), *profile = json_object_get(doc, "profile");

    if (json_array_size(latency)) {
        mq_str_add(out, "**Latency** (ms; speedup over the first row of its case; 95 % intervals)\n\n");
        mq_md_table(out, latency,
              "| model | engine | threads | batch | median | min | p90 | p99 | speedup | activations |", latency_row,
              BUDGET_SHORT);
    }
    if (json_array_size(json_object_get(doc, "models")))
        mq_md_table(out, json_object_get(doc, "models"), "| model | size | MACs |", model_row, BUDGET_SHORT);
    joined_table(out, "Metrics", json_object_get(doc, "metrics"), "values", "| model | metric | value | worse by |",
                 metric_row,
                 BUDGET_SHORT);
    joined_table(out, "Training", json_object_get(doc, "training"), "epochs", "| model | epoch | loss | metric |", epoch_row,
                 BUDGET_SHORT);
    mq_md_folded_table(out, "Sensitivity: one layer changed, all others as they were",
                       json_object_get(doc, "sensitivity"), "| layer | zeros or form | SQNR of the outputs, dB | metric |",
                       sensitivity_row, BUDGET_SHORT);
    joined_table(out, "Profile by operator", profile, "operators",
                 "| model | operator | ms | share | MACs | GFLOP/s | GB/s |",
                 cost_row, BUDGET_LONG);
    joined_table(out, "Profile by node", profile, "nodes", "| model | node | ms | share | MACs | GFLOP/s | GB/s |", cost_row,
                 BUDGET_LONG);
}

void mq_render_markdown(const json_t *doc, mq_str *out)
{
    const json_t *bounds = json_object_get(doc, "bounds"), *findings = json_object_get(doc, "findings");
    const json_t *worst = json_object_get(doc, "worst_layers"), *proof = json_object_get(doc, "proof");
    const json_t *mode = json_object_get(doc, "mode");
    const json_t *speed = json_object_get(json_object_get(doc, "measured"), "speed");

    heading(out, doc);
    if (json_array_size(bounds))
        mq_md_table(out, bounds, "| bound | asked | got | |", bound_row, BUDGET_SHORT);
    if (json_array_size(findings))
        mq_md_table(out, findings, "| | place | finding | code |", finding_row, BUDGET_LONG);
    if (json_array_size(json_object_get(doc, "agreement"))) {
        mq_str_add(out, "**Agreement with the reference**\n\n");
        mq_md_table(out, json_object_get(doc, "agreement"),
              "| | tensor | SQNR | largest error | relative | cosine | arg-max agrees | outside |", agreement_row,
              BUDGET_SHORT);
    }
    if (json_array_size(json_object_get(doc, "layers"))) {
        mq_str_add(out, "**Layers, the largest error of their own first**\n\n");
        mq_md_table(out, json_object_get(doc, "layers"),
                    "| layer | own | weights | inputs | so far | cause | why | options |", layer_row, BUDGET_LONG);
    }
    mq_md_folded_outline(out, "Tests", json_object_get(doc, "tests"), BUDGET_SHORT, true);
    mq_md_folded_outline(out, "The run", json_object_get(doc, "run"), BUDGET_SHORT, true);
    measurements(out, doc);
    before_after(out, doc);
    if (*mq_json_get_text(mode, "note")) {
        mq_str_add(out, "Mode: ");
        mq_md_prose(out, mq_json_get_text(mode, "note"));
        mq_str_add(out, "\n\n");
    }
    if (*mq_json_get_text(proof, "note")) {
        mq_str_add(out, "Proof: ");
        mq_md_prose(out, mq_json_get_text(proof, "note"));
        mq_str_add(out, "\n\n");
    }
    mq_md_pruned(out, json_object_get(doc, "prune"), BUDGET_LONG);
    mq_md_searched(out, json_object_get(doc, "search"), BUDGET_SHORT);
    if (json_array_size(json_object_get(doc, "parts")))
        mq_md_table(out, json_object_get(doc, "parts"), "| part | size | nodes | MACs | takes | gives |", part_row,
                    BUDGET_SHORT);
    if (json_array_size(json_object_get(doc, "connections")))
        mq_md_table(out, json_object_get(doc, "connections"), "| from | output | to | input |", connection_row,
                    BUDGET_SHORT);
    mq_md_folded_table(out, "Rewrites", json_object_get(json_object_get(doc, "rewrites"), "passes"),
                       "| rewrite | times | what |", rewrite_row, BUDGET_SHORT);
    if (json_object_get(doc, "refinements")) {
        mq_str_add(out, "Refined: ");
        mq_str_add_refinements(out, json_object_get(doc, "refinements"));
        mq_str_add(out, "\n\n");
    }
    if (speed) {
        mq_str_add(out, "Speed: ");
        mq_str_add_speed(out, speed);
        mq_str_add(out, "\n\n");
    }
    mq_md_folded_table(out, "Changed tensors", json_object_get(doc, "changed"), "| tensor | shape | type | SQNR | size |",
                 changed_row, BUDGET_LONG);
    mq_md_folded_table(out, "Activations", json_object_get(doc, "activations"),
                       "| tensor | type | least | most | SQNR | clipped |", activation_row, BUDGET_SHORT);
    mq_md_folded_table(out, "Weights with 7 of 8 bits, or saturating", json_object_get(doc, "saturating"),
                       "| tensor | node | sum with 8 bits | bits |", saturating_row, BUDGET_SHORT);
    mq_md_folded_table(out, "Inputs and outputs that are integers q: (q - zero point) × scale", json_object_get(doc, "io"),
                       "| | tensor | type | scale | zero point |", edge_row, BUDGET_SHORT);
    mq_md_folded_table(out, "Kept as they are", json_object_get(doc, "kept"), "| tensor | used by | size | why |", kept_row,
                 BUDGET_LONG);
    warnings(out, json_object_get(doc, "warnings"));
    if (json_array_size(worst)) {
        mq_str_add(out, "**Worst layers**\n\n");
        mq_md_table(out, worst, "| tensor | node | SQNR | largest error |", worst_row, BUDGET_SHORT);
    }
    mq_md_folded_outline(out, "The model", json_object_get(doc, "model"), BUDGET_LONG, true);
    mq_md_folded_outline(out, "Options", json_object_get(doc, "options"), BUDGET_LONG, false);
    mq_md_folded_table(out, "Files", json_object_get(doc, "files"), "| | file | size | SHA-256 |", file_row,
                 BUDGET_SHORT);
    mq_md_folded_outline(out, "Measured", json_object_get(doc, "measured"), BUDGET_SHORT, false);
}
