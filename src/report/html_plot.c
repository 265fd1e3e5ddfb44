/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Signal to noise ratios along the graph, and histograms, as inline SVG. The pictures are stretched to the room there is, so
 * that nothing but rectangles and lines is in them; the figures beside them are text of the page and keep their size on a
 * telephone. */
#include <math.h>

#include "report/html.h"

enum { HEIGHT = 100, STEPS = 5 };

typedef struct plot {
    double lo, hi, step; /* dB, multiples of the step */
    double worst;        /* dB; infinite when all is exact */
    size_t n;            /* bars */
} plot;

/* What is shown of an entry: false when nothing was measured; *exact: nothing was lost. */
static bool level(const json_t *entry, double *db, bool *exact)
{
    const json_t *v = json_object_get(entry, "sqnr_db");

    *exact = json_is_null(v) && mq_json_get_int(entry, "not_finite") == 0;
    *db = json_number_value(v);
    return json_is_number(v) || *exact;
}

static plot plot_of(const json_t *list)
{
    plot p = { .step = 5, .worst = INFINITY };
    double db;
    bool exact;

    for (size_t i = 0; i < json_array_size(list); i++)
        if (level(json_array_get(list, i), &db, &exact)) {
            p.lo = fmin(p.lo, db);
            p.hi = fmax(p.hi, db);
            p.worst = exact ? p.worst : fmin(p.worst, db);
            p.n++;
        }
    while ((p.hi - p.lo) / p.step > STEPS)
        p.step *= 2;
    p.lo = floor(p.lo / p.step) * p.step;
    p.hi = fmax(ceil(p.hi / p.step) * p.step, p.lo + p.step);
    return p;
}

/* Per cent of the height. */
static double height_of(const plot *p, double db)
{
    return HEIGHT * (db - p->lo) / (p->hi - p->lo);
}

static void bar(mq_str *out, const plot *p, size_t at, const json_t *entry, const char *key)
{
    const char *name = mq_json_get_text(entry, key);
    double db, cosine, zero = height_of(p, 0), top;
    bool exact;

    level(entry, &db, &exact);
    top = exact ? HEIGHT : height_of(p, db);
    mq_str_addf(out, "<rect class=\"%s\" x=\"%zu.1\" width=\".8\" y=\"%.2f\" height=\"%.2f\"><title>",
                exact ? "exact" : db <= p->worst ? "low" : "bar", at, HEIGHT - fmax(top, zero),
                fmax(fabs(top - zero), 0.5));
    mq_html_text(out, name);
    if (exact)
        mq_str_add(out, ": exact");
    else
        mq_str_addf(out, ": %.1f dB", db);
    if (mq_json_get_real(entry, "cosine", &cosine))
        mq_str_addf(out, ", cosine %.6f", cosine);
    mq_str_add(out, "</title></rect>\n");
}

static void scale(mq_str *out, const plot *p, bool lines)
{
    for (double db = p->lo; db <= p->hi + p->step / 2; db += p->step)
        if (lines)
            mq_str_addf(out, "<line x1=\"0\" x2=\"%zu\" y1=\"%.2f\" y2=\"%.2f\"/>\n", p->n, HEIGHT - height_of(p, db),
                        HEIGHT - height_of(p, db));
        else
            mq_str_addf(out, "<span style=\"bottom:%.2f%%\">%.0f</span>", height_of(p, db), db);
}

void mq_html_plot(mq_str *out, const char *title, const json_t *list, const char *name)
{
    const plot p = plot_of(list);
    size_t at = 0;
    double db;
    bool exact;

    if (p.n < 2)
        return;
    mq_str_addf(out, "<figure><figcaption>%s (dB; more is better, the worst is red)</figcaption>\n"
                "<div class=\"plot\"><div class=\"scale\">", title);
    scale(out, &p, false);
    mq_str_addf(out, "</div>\n<svg role=\"img\" aria-label=\"%s\" viewBox=\"0 0 %zu %d\" preserveAspectRatio=\"none\">\n",
                title, p.n, HEIGHT);
    scale(out, &p, true);
    for (size_t i = 0; i < json_array_size(list) && !out->failed; i++)
        if (level(json_array_get(list, i), &db, &exact))
            bar(out, &p, at++, json_array_get(list, i), name);
    mq_str_add(out, "</svg></div>\n<div class=\"ends\"><span>first in the graph</span><span>last</span></div></figure>\n");
}

static double log_count(const json_t *bins, size_t i)
{
    return log1p((double)json_integer_value(json_array_get(bins, i)));
}

void mq_html_histogram(mq_str *out, const json_t *entry)
{
    const json_t *bins = json_object_get(entry, "histogram");
    const size_t n = json_array_size(bins);
    double low = 0, high = 0, min = 0, max = 0, most = 0;

    mq_json_get_real(entry, "low", &low);
    mq_json_get_real(entry, "high", &high);
    mq_json_get_real(entry, "min", &min);
    mq_json_get_real(entry, "max", &max);
    for (size_t i = 0; i < n; i++)
        most = fmax(most, log_count(bins, i));
    if (!(most > 0))
        return;
    mq_str_addf(out, "<svg class=\"hist\" role=\"img\" aria-label=\"%.4g to %.4g\" viewBox=\"0 0 %zu %d\" "
                "preserveAspectRatio=\"none\">", min, max, n, HEIGHT);
    for (size_t i = 0; i < n; i++) {
        const double middle = min + (max - min) * ((double)i + 0.5) / (double)n;
        const double height = HEIGHT * log_count(bins, i) / most;
        if (height > 0)
            mq_str_addf(out, "<rect class=\"%s\" x=\"%zu\" width=\"1\" y=\"%.1f\" height=\"%.1f\"/>",
                        middle < low || middle > high ? "low" : "bar", i, HEIGHT - height, height);
    }
    mq_str_add(out, "</svg>");
}

/* One curve between its own least and most. */
static void curve(mq_str *out, const json_t *epochs, const char *key, const char *label, const char *first,
                  const char *last)
{
    const size_t n = json_array_size(epochs);
    double lo = INFINITY, hi = -INFINITY, v;
    size_t known = 0;

    for (size_t i = 0; i < n; i++)
        if (mq_json_get_real(json_array_get(epochs, i), key, &v)) {
            lo = fmin(lo, v);
            hi = fmax(hi, v);
            known++;
        }
    if (known < 2)
        return;
    mq_str_addf(out, "<figure><figcaption>%s: %.5g to %.5g</figcaption>\n<div class=\"plot\"><svg role=\"img\" "
                "aria-label=\"%s\" viewBox=\"0 0 %zu %d\" preserveAspectRatio=\"none\">\n", label, lo, hi, label, n - 1,
                HEIGHT);
    for (size_t i = 0; i + 1 < n && !out->failed; i++) {
        double from, to;

        if (mq_json_get_real(json_array_get(epochs, i), key, &from) &&
            mq_json_get_real(json_array_get(epochs, i + 1), key, &to))
            mq_str_addf(out, "<line x1=\"%zu\" x2=\"%zu\" y1=\"%.2f\" y2=\"%.2f\"/>\n", i, i + 1,
                        hi > lo ? HEIGHT * (hi - from) / (hi - lo) : HEIGHT / 2.,
                        hi > lo ? HEIGHT * (hi - to) / (hi - lo) : HEIGHT / 2.);
    }
    mq_str_addf(out, "</svg></div>\n<div class=\"ends\"><span>%s</span><span>%s</span></div></figure>\n", first, last);
}

void mq_html_curves(mq_str *out, const json_t *training)
{
    const json_t *epochs = json_object_get(training, "epochs");

    curve(out, epochs, "loss", "loss", "first epoch", "last");
    curve(out, epochs, "metric", "metric", "first epoch", "last");
}

void mq_html_sensitivity(mq_str *out, const json_t *layer)
{
    const json_t *points = json_object_get(layer, "points");

    curve(out, points, "sqnr_db", "signal to noise of the outputs, dB", "fewest zeros", "most");
    curve(out, points, "metric", mq_json_get_text(layer, "metric"), "fewest zeros", "most");
}
