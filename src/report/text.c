/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The form for a terminal: a summary that fits a screen. The other forms hold the rest. */
#include <string.h>

#include "report/internal.h"

/* Columns that a text takes: bytes that begin a character. */
static int columns(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += (*s & 0xc0) != 0x80;
    return n;
}

/* The text, and blanks up to `width`. Control characters, which could drive a terminal, become '?'. */
static void cell(mq_str *out, const char *s, int width)
{
    for (const char *p = s; *p; p++) {
        unsigned char c = (unsigned char)*p;
        bool c1 = c == 0xc2 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0; /* U+0080 to U+009F */
        if (c < 0x20 || c == 0x7f || c1)
            mq_str_add(out, "?");
        else
            mq_str_add_n(out, p, 1);
        p += c1;
    }
    mq_str_addf(out, "%*s", width > columns(s) ? width - columns(s) : 0, "");
}

static int widest(const json_t *list, const char *key)
{
    int widest_yet = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        int n = columns(mq_json_get_text(json_array_get(list, i), key));
        widest_yet = n > widest_yet ? n : widest_yet;
    }
    return widest_yet;
}

static void bounds(mq_str *out, const json_t *list)
{
    int name = widest(list, "name"), asked = widest(list, "asked");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *b = json_array_get(list, i);
        mq_str_add(out, mq_json_get_bool(b, "pass") ? "  ok      " : "  MISSED  ");
        cell(out, mq_json_get_text(b, "name"), name);
        mq_str_add(out, "  asked ");
        cell(out, mq_json_get_text(b, "asked"), asked);
        mq_str_add(out, "  got ");
        cell(out, mq_json_get_text(b, "got"), 0);
        if (json_object_get(b, "tensor")) {
            mq_str_add(out, "  (");
            cell(out, mq_json_get_text(b, "tensor"), 0);
            mq_str_add(out, ")");
        }
        mq_str_add(out, "\n");
    }
}

static void findings(mq_str *out, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *f = json_array_get(list, i);
        const char *place = mq_json_get_text(f, "place");
        mq_str_addf(out, "%s: ", mq_json_get_text(f, "level"));
        cell(out, place, 0);
        mq_str_add(out, *place ? ": " : "");
        cell(out, mq_json_get_text(f, "text"), 0);
        mq_str_addf(out, " [%s]\n", mq_json_get_text(f, "code"));
    }
}

static void size_line(mq_str *out, const json_t *doc)
{
    const json_t *before = json_object_get(json_object_get(doc, "before"), "size");
    const json_t *after = json_object_get(json_object_get(doc, "after"), "size");
    int64_t a = mq_json_get_int(before, "total_bytes"), b = mq_json_get_int(after, "total_bytes");

    if (!before && !after)
        return;
    mq_str_add(out, "size     ");
    mq_str_add_bytes(out, (uint64_t)(before ? a : b));
    if (before && after) {
        mq_str_add(out, " -> ");
        mq_str_add_bytes(out, (uint64_t)b);
        mq_str_add(out, " (");
        mq_str_add_change(out, a, b);
        mq_str_add(out, ")");
    }
    mq_str_add(out, "\n");
}

/* The worst outputs, where there are several: the proof names one. */
static void agreement(mq_str *out, const json_t *list)
{
    size_t n = 0;

    while (n < json_array_size(list) && mq_json_get_bool(json_array_get(list, n), "output"))
        n++;
    for (size_t i = 0; n > 1 && i < n && i < MQ_REPORT_N_WORST; i++) {
        const json_t *a = json_array_get(list, i);
        mq_str_add(out, i ? "         " : "outputs  ");
        cell(out, mq_json_get_text(a, "tensor"), 0);
        mq_str_add(out, "  ");
        if (json_object_get(a, "note"))
            cell(out, mq_json_get_text(a, "note"), 0);
        else
            mq_str_add_agreement(out, a);
        mq_str_add_ceiling(out, a);
        mq_str_add(out, "\n");
    }
    if (n > MQ_REPORT_N_WORST)
        mq_str_addf(out, "         and %zu more\n", n - MQ_REPORT_N_WORST);
}

/* "nodes    615 -> 506 (-17.7%)": what a graph has without Constant nodes; "MACs" the same of multiply-accumulates, where
 * both are known. */
static void count_line(mq_str *out, const char *label, const char *key, const json_t *rewrites)
{
    const json_t *first = json_object_get(json_object_get(rewrites, "before"), key);
    const json_t *second = json_object_get(json_object_get(rewrites, "after"), key);
    const int64_t before = json_integer_value(first), after = json_integer_value(second);

    if (!json_is_integer(first) || !json_is_integer(second))
        return;
    mq_str_addf(out, "%-9s", label);
    mq_str_add_count(out, (uint64_t)before);
    mq_str_add(out, " -> ");
    mq_str_add_count(out, (uint64_t)after);
    if (before && before != after) {
        mq_str_add(out, " (");
        mq_str_add_change(out, before, after);
        mq_str_add(out, ")");
    }
    mq_str_add(out, "\n");
}

/* "passes   fold-constants 12, drop-noop 3": those that found something. */
static void passes_line(mq_str *out, const json_t *passes)
{
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(passes); i++) {
        const json_t *p = json_array_get(passes, i);
        const int64_t changed = mq_json_get_int(p, "changed");

        if (!changed)
            continue;
        mq_str_addf(out, "%s%s ", n++ ? ", " : "passes   ", mq_json_get_text(p, "name"));
        mq_str_add_count(out, (uint64_t)changed);
    }
    mq_str_add(out, n ? "\n" : "");
}

/* "part     m.1of2.onnx  1.2 MB  300 M MACs  data -> pool3": a line each. */
static void parts_lines(mq_str *out, const json_t *parts)
{
    static const char *const keys[] = { "inputs", "outputs" };

    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *p = json_array_get(parts, i);

        mq_str_add(out, "part     ");
        cell(out, mq_json_get_text(p, "file"), 0);
        mq_str_add(out, "  ");
        mq_str_add_bytes(out, (uint64_t)mq_json_get_int(p, "bytes"));
        mq_str_add(out, "  ");
        if (json_is_integer(json_object_get(p, "macs"))) {
            mq_str_add_count(out, (uint64_t)mq_json_get_int(p, "macs"));
            mq_str_add(out, " MACs  ");
        }
        for (size_t k = 0; k < 2; k++) {
            const json_t *names = json_object_get(p, keys[k]);

            mq_str_add(out, k ? " -> " : "");
            for (size_t n = 0; n < json_array_size(names) && n < 4; n++) {
                mq_str_add(out, n ? ", " : "");
                cell(out, json_string_value(json_array_get(names, n)), 0);
            }
            if (json_array_size(names) > 4)
                mq_str_addf(out, " and %zu more", json_array_size(names) - 4);
        }
        mq_str_add(out, "\n");
    }
}

/* Of the only output; several have theirs beside them. */
static void ceiling(mq_str *out, const json_t *list)
{
    const json_t *a = json_array_get(list, 0);
    double v;

    if (!json_object_get(a, "ceiling_db") || mq_json_get_bool(json_array_get(list, 1), "output"))
        return;
    mq_str_add(out, "ceiling  ");
    if (mq_json_get_real(a, "ceiling_db", &v))
        mq_str_addf(out, "%.1f dB", v);
    else
        mq_str_add(out, "no difference");
    mq_str_add(out, " with 16-bit activations in the same ranges\n");
}

/* "connect  a.onnx 'features' -> b.onnx 'x'": a line each. */
static void connection_lines(mq_str *out, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *c = json_array_get(list, i);

        mq_str_add(out, "connect  ");
        cell(out, mq_json_get_text(c, "from"), 0);
        mq_str_add(out, " '");
        cell(out, mq_json_get_text(c, "output"), 0);
        mq_str_add(out, "' -> ");
        cell(out, mq_json_get_text(c, "to"), 0);
        mq_str_add(out, " '");
        cell(out, mq_json_get_text(c, "input"), 0);
        mq_str_add(out, "'\n");
    }
}

/* "weights  62 changed (25.1 MB -> 6.3 MB), 3 kept". */
static void weights_line(mq_str *out, const json_t *doc)
{
    const json_t *changed = json_object_get(doc, "changed"), *kept = json_object_get(doc, "kept");
    uint64_t before = 0, after = 0;

    if (!changed && !kept)
        return;
    for (size_t i = 0; i < json_array_size(changed); i++) {
        before += (uint64_t)mq_json_get_int(json_array_get(changed, i), "bytes_before");
        after += (uint64_t)mq_json_get_int(json_array_get(changed, i), "bytes_after");
    }
    mq_str_add(out, "weights  ");
    mq_str_add_count(out, json_array_size(changed));
    mq_str_add(out, " changed (");
    mq_str_add_bytes(out, before);
    mq_str_add(out, " -> ");
    mq_str_add_bytes(out, after);
    mq_str_add(out, "), ");
    mq_str_add_count(out, json_array_size(kept));
    mq_str_add(out, " kept\n");
}

/* "7 bits   12 weights, for sums of two products within 16 bits: a, b, c, ...". */
static void saturating(mq_str *out, const json_t *list)
{
    enum { NAMED = 3 };
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(list); i++)
        n += mq_json_get_int(json_array_get(list, i), "bits") < 8;
    if (!n)
        return;
    mq_str_addf(out, "7 bits   %zu weight%s, for sums of two products within 16 bits:", n, n > 1 ? "s" : "");
    for (size_t i = 0, k = 0; i < json_array_size(list) && k < NAMED; i++) {
        const json_t *e = json_array_get(list, i);
        if (mq_json_get_int(e, "bits") >= 8)
            continue;
        mq_str_add(out, k++ ? ", " : " ");
        cell(out, mq_json_get_text(e, "name"), 0);
    }
    mq_str_add(out, n > NAMED ? ", ...\n" : "\n");
}

/* What a device has to be fed, and gives. */
static void edges(mq_str *out, const json_t *list)
{
    const int name = widest(list, "name");
    double scale;

    for (size_t i = 0; i < json_array_size(list) && i < MQ_REPORT_N_WORST; i++) {
        const json_t *e = json_array_get(list, i);
        mq_str_addf(out, "%-7s  ", mq_json_get_text(e, "role"));
        cell(out, mq_json_get_text(e, "name"), name);
        mq_str_addf(out, "  %s q, (q - %lld)", mq_json_get_text(e, "type"), (long long)mq_json_get_int(e, "zero_point"));
        if (mq_json_get_real(e, "scale", &scale))
            mq_str_addf(out, " * %.6g\n", scale);
    }
    if (json_array_size(list) > MQ_REPORT_N_WORST)
        mq_str_addf(out, "         and %zu more\n", json_array_size(list) - MQ_REPORT_N_WORST);
}

static void worst(mq_str *out, const json_t *list)
{
    int name = widest(list, "name");

    name = name > 50 ? 50 : name;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *e = json_array_get(list, i);
        mq_str_add(out, i ? "         " : "worst    ");
        cell(out, mq_json_get_text(e, "name"), name);
        mq_str_add(out, "  ");
        mq_str_add_sqnr(out, e);
        mq_str_add(out, "\n");
    }
}

/* One line for each code, with the first text of it. */
static void warnings(mq_str *out, const json_t *list)
{
    json_t *codes = mq_report_by_code(list);

    out->failed |= !codes;
    for (size_t i = 0; i < json_array_size(codes); i++) {
        const json_t *w = json_array_get(codes, i);
        const char *place = mq_json_get_text(w, "place");
        int64_t n = mq_json_get_int(w, "count");
        mq_str_add(out, "warning  ");
        cell(out, place, 0);
        mq_str_add(out, *place ? ": " : "");
        cell(out, mq_json_get_text(w, "text"), 0);
        mq_str_addf(out, " [%s]", mq_json_get_text(w, "code"));
        if (n > 1)
            mq_str_addf(out, " and %lld more of this kind", (long long)(n - 1));
        mq_str_add(out, "\n");
    }
    json_decref(codes);
}

/* "group    conv1  16 -> 8, made by conv1, conv2": all of a dry run, else the first ones. */
static void groups(mq_str *out, const json_t *prune)
{
    const json_t *list = json_object_get(prune, "groups"), *makers;
    const size_t n = json_array_size(list), most = json_is_true(json_object_get(prune, "dry_run")) ? n : MQ_REPORT_N_WORST;
    int name = widest(list, "name");

    name = name > 50 ? 50 : name;
    for (size_t i = 0; i < n && i < most; i++) {
        const json_t *e = json_array_get(list, i);

        mq_str_add(out, "group    ");
        cell(out, mq_json_get_text(e, "name"), name);
        mq_str_addf(out, "  %lld -> %lld", (long long)mq_json_get_int(e, "channels"), (long long)mq_json_get_int(e, "left"));
        makers = json_object_get(e, "made_by");
        for (size_t k = 0; json_array_size(makers) > 1 && k < json_array_size(makers); k++) {
            mq_str_add(out, k ? ", " : ", made by ");
            cell(out, json_string_value(json_array_get(makers, k)), 0);
        }
        mq_str_add(out, "\n");
    }
    if (n > most)
        mq_str_addf(out, "         and %zu more (--dry-run lists them)\n", n - most);
}

/* What a dry run says of layers, and of what no group holds. */
static void layers(mq_str *out, const json_t *doc, const json_t *prune)
{
    const json_t *list = json_object_get(prune, "layers"), *kept = json_object_get(doc, "kept");
    int name = widest(list, "name");

    if (!json_is_true(json_object_get(prune, "dry_run")))
        return;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *e = json_array_get(list, i);

        mq_str_add(out, "layer    ");
        cell(out, mq_json_get_text(e, "name"), name);
        mq_str_add(out, json_is_true(json_object_get(e, "gone")) ? "  goes\n" : "  stays\n");
    }
    for (size_t i = 0; i < json_array_size(kept); i++) {
        const json_t *e = json_array_get(kept, i);

        mq_str_add(out, "stays    ");
        cell(out, mq_json_get_text(e, "name"), 0);
        mq_str_add(out, ": ");
        cell(out, mq_json_get_text(e, "reason"), 0);
        mq_str_add(out, "\n");
    }
}

/* What a search by bounds came to, and the layers that are not as asked for. */
static void searched(mq_str *out, const json_t *search)
{
    const json_t *list = json_object_get(search, "kept");
    const size_t n = json_array_size(list);

    if (!search)
        return;
    mq_str_add(out, "search   ");
    mq_str_add_search(out, search);
    mq_str_add(out, "\n");
    for (size_t i = 0; i < n && i < MQ_REPORT_N_WORST; i++) {
        const json_t *e = json_array_get(list, i);

        mq_str_add(out, "         ");
        cell(out, mq_json_get_text(e, "name"), 0);
        mq_str_addf(out, "  %s, %+lld bytes, ", mq_json_get_text(e, "form"), (long long)mq_json_get_int(e, "bytes_more"));
        mq_str_add_sqnr(out, e);
        mq_str_add(out, " if quantized alone\n");
    }
    if (n > MQ_REPORT_N_WORST)
        mq_str_addf(out, "         and %zu more\n", n - MQ_REPORT_N_WORST);
}

/* What layers cost alone in the form that was asked for, the dearest first; of weights that are pruned there are curves. */
static void alone(mq_str *out, const json_t *layers)
{
    const size_t n = json_array_size(layers);
    int name = 0;

    for (size_t i = 0; i < n && i < MQ_REPORT_N_WORST; i++) {
        const int width = (int)strlen(mq_json_get_text(json_array_get(layers, i), "name"));

        name = width > 50 ? 50 : width > name ? width : name;
    }
    for (size_t i = 0; i < n && i < MQ_REPORT_N_WORST; i++) {
        const json_t *points = json_object_get(json_array_get(layers, i), "points"), *asked = NULL;
        double metric;

        for (size_t k = 0; k < json_array_size(points) && !asked; k++)
            if (strcmp(mq_json_get_text(json_array_get(points, k), "form"), "quantized") == 0)
                asked = json_array_get(points, k);
        if (!asked)
            return;
        mq_str_add(out, i ? "         " : "alone    ");
        cell(out, mq_json_get_text(json_array_get(layers, i), "name"), name);
        mq_str_add(out, "  ");
        mq_str_add_sqnr(out, asked);
        if (mq_json_get_real(asked, "metric", &metric))
            mq_str_addf(out, ", metric %.4g", metric);
        mq_str_add(out, i ? "\n" : " when only this one is quantized\n");
    }
}

static void pruned(mq_str *out, const json_t *doc)
{
    const json_t *prune = json_object_get(doc, "prune"), *worth = json_object_get(prune, "worth");

    if (!prune)
        return;
    groups(out, prune);
    layers(out, doc, prune);
    mq_str_add(out, "pruned   ");
    mq_str_add_pruned(out, prune);
    mq_str_add(out, "\n");
    if (json_object_get(prune, "rounds")) {
        mq_str_add(out, "trained  ");
        mq_str_add_rounds(out, prune);
        mq_str_add(out, "\n");
    }
    if (worth) {
        mq_str_add(out, "worth    ");
        cell(out, mq_json_get_text(worth, "text"), 0);
        mq_str_add(out, "\n");
    }
    if (json_object_get(worth, "gzip_bytes")) {
        mq_str_add(out, "         ");
        mq_str_add_gzip(out, worth);
        mq_str_add(out, "\n");
    }
}

void mq_render_text(const json_t *doc, mq_str *out)
{
    const json_t *error = json_object_get(doc, "error"), *proof = json_object_get(doc, "proof");
    const json_t *mode = json_object_get(doc, "mode");
    const json_t *speed = json_object_get(json_object_get(doc, "measured"), "speed");

    mq_str_addf(out, "verdict  %s", mq_json_get_text(doc, "verdict"));
    if (error) {
        mq_str_add(out, ": ");
        cell(out, mq_json_get_text(error, "text"), 0);
    }
    mq_str_add(out, "\n");
    bounds(out, json_object_get(doc, "bounds"));
    findings(out, json_object_get(doc, "findings"));
    size_line(out, doc);
    count_line(out, "nodes", "nodes", json_object_get(doc, "rewrites"));
    count_line(out, "MACs", "macs", json_object_get(doc, "rewrites"));
    passes_line(out, json_object_get(json_object_get(doc, "rewrites"), "passes"));
    parts_lines(out, json_object_get(doc, "parts"));
    connection_lines(out, json_object_get(doc, "connections"));
    weights_line(out, doc);
    pruned(out, doc);
    searched(out, json_object_get(doc, "search"));
    alone(out, json_object_get(doc, "sensitivity"));
    saturating(out, json_object_get(doc, "saturating"));
    if (*mq_json_get_text(mode, "note")) {
        mq_str_add(out, "mode     ");
        cell(out, mq_json_get_text(mode, "note"), 0);
        mq_str_add(out, "\n");
    }
    if (*mq_json_get_text(proof, "note")) {
        mq_str_add(out, "proof    ");
        cell(out, mq_json_get_text(proof, "note"), 0);
        mq_str_add(out, "\n");
    }
    ceiling(out, json_object_get(doc, "agreement"));
    if (json_object_get(doc, "refinements")) {
        mq_str_add(out, "refined  ");
        mq_str_add_refinements(out, json_object_get(doc, "refinements"));
        mq_str_add(out, "\n");
    }
    if (speed) {
        mq_str_add(out, "speed    ");
        mq_str_add_speed(out, speed);
        mq_str_add(out, "\n");
    }
    edges(out, json_object_get(doc, "io"));
    agreement(out, json_object_get(doc, "agreement"));
    worst(out, json_object_get(doc, "worst_layers"));
    warnings(out, json_object_get(doc, "warnings"));
}
