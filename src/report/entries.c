/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The entries of the sections: which keys, in which order. docs/report.schema.json says the same in its own words. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "report/census.h"
#include "report/internal.h"

/* ---- bounds, findings, warnings, options -------------------------------------------------------------------------- */

mq_status mq_report_add_bound_of(mq_report *r, const char *name, const char *tensor, const char *asked, const char *got,
                                 bool pass, mq_error *err)
{
    json_t *e;

    if (!r)
        return MQ_OK;
    e = mq_report_append(r, mq_report_section(r, "bounds"));
    mq_report_put_text(r, e, "name", name);
    if (tensor)
        mq_report_put_text(r, e, "tensor", tensor);
    mq_report_put_text(r, e, "asked", asked);
    mq_report_put_text(r, e, "got", got);
    mq_report_put_bool(r, e, "pass", pass);
    r->n_missed += !pass;
    return mq_report_status(r, err);
}

mq_status mq_report_add_bound(mq_report *r, const char *name, const char *asked, const char *got, bool pass,
                              mq_error *err)
{
    return mq_report_add_bound_of(r, name, NULL, asked, got, pass, err);
}

bool mq_report_missed_bound(const mq_report *r, size_t i, char *out, size_t size)
{
    const json_t *bounds = mq_report_peek(r, "bounds"), *b;
    size_t k;

    json_array_foreach(bounds, k, b) {
        if (mq_json_get_bool(b, "pass") || i-- > 0)
            continue;
        snprintf(out, size, "%s%s%s: asked %s, got %s", mq_json_get_text(b, "name"),
                 json_object_get(b, "tensor") ? " of " : "", mq_json_get_text(b, "tensor"), mq_json_get_text(b, "asked"),
                 mq_json_get_text(b, "got"));
        return true;
    }
    return false;
}

void mq_report_add_finding(mq_report *r, mq_report_level level, const char *code, const char *place, const char *text)
{
    json_t *e;

    if (!r)
        return;
    e = mq_report_append(r, mq_report_section(r, "findings"));
    mq_report_put_text(r, e, "level", level == MQ_REPORT_ERROR ? "error" : "warning");
    mq_report_put_text(r, e, "code", code);
    mq_report_put_text(r, e, "place", place);
    mq_report_put_text(r, e, "text", text);
    if (level == MQ_REPORT_ERROR)
        r->n_missed++;
    else
        r->n_warnings++;
}

/* The same warning about the same place is one entry with a count. */
mq_status mq_report_add_warning(mq_report *r, const mq_warning *w, mq_error *err)
{
    char *key = NULL;
    json_t *e;

    r->n_warnings++;
    if (asprintf(&key, "%s\n%s\n%s", w->code, w->place, w->text) < 0)
        return mq_oom(err);
    if ((e = mq_map_get(&r->warnings, key))) {
        mq_report_put_int(r, e, "count", mq_json_get_int(e, "count") + 1);
        free(key);
        return mq_report_status(r, err);
    }
    if (!mq_vec_push(&r->keys, key)) {
        free(key);
        return mq_oom(err);
    }
    e = mq_report_append(r, mq_report_section(r, "warnings"));
    mq_report_put_text(r, e, "code", w->code);
    mq_report_put_text(r, e, "place", w->place);
    mq_report_put_text(r, e, "text", w->text);
    mq_report_put_int(r, e, "count", 1);
    if (e && !mq_map_put(&r->warnings, key, e))
        return mq_oom(err);
    return mq_report_status(r, err);
}

/* jansson takes a lack of memory inside a token for bad syntax: what fails is read once more before it is believed. */
static json_t *read_value(const char *text, bool *bad_syntax)
{
    json_error_t why = { .text = "" };
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

    if (!value)
        value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    *bad_syntax = !value && why.text[0];
    return value;
}

mq_status mq_report_add_option(mq_report *r, const char *name, const char *json_value, mq_error *err)
{
    char *clean = mq_utf8_clean(json_value), *key = mq_utf8_clean(name);
    bool bad_syntax = false;
    json_t *value = clean ? read_value(clean, &bad_syntax) : NULL;
    mq_status rc = MQ_OK;

    if (!clean || !key || (!value && !bad_syntax))
        rc = mq_oom(err);
    else if (bad_syntax)
        rc = mq_fail(err, MQ_ERR_USAGE, "option '%s': its value is not JSON: %s", name, json_value);
    else if (json_object_set(mq_report_section(r, "options"), key, value) != 0)
        rc = mq_oom(err);
    json_decref(value);
    free(clean);
    free(key);
    return rc;
}

/* ---- the model before and after ----------------------------------------------------------------------------------- */

static int64_t clamp(uint64_t n)
{
    return n < INT64_MAX ? (int64_t)n : INT64_MAX;
}

/* Two numbers of any size in a sum that stays at the end of the scale. */
static uint64_t add_up(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Weights by type, and the rest: names, nodes, everything that is no weight. A compressed file has less than its weights. */
static void put_size(mq_report *r, json_t *side, const mq_census *c, uint64_t file_bytes, uint64_t data_bytes)
{
    json_t *size = mq_report_object(r, side, "size"), *weights;
    uint64_t total = add_up(file_bytes, data_bytes);

    mq_report_put_int(r, size, "total_bytes", clamp(total));
    mq_report_put_int(r, size, "file_bytes", clamp(file_bytes));
    mq_report_put_int(r, size, "data_bytes", clamp(data_bytes));
    weights = mq_report_object(r, size, "weights");
    for (int t = 0; t < MQ_N_DTYPES; t++)
        if (c->by_type[t].bytes)
            mq_report_put_int(r, weights, mq_dtype_name((mq_dtype)t), clamp(c->by_type[t].bytes));
    mq_report_put_int(r, size, "other_bytes", total > c->bytes ? clamp(total - c->bytes) : 0);
}

/* "Conv", "com.microsoft::FusedConv": a key, so it has to be UTF-8. */
static void put_op_count(mq_report *r, json_t *ops, const mq_census_op *op)
{
    char *name = NULL, *clean = NULL;

    if (asprintf(&name, "%s%s%s", op->domain, *op->domain ? "::" : "", op->op_type) < 0)
        name = NULL;
    if (name && (clean = mq_utf8_clean(name)))
        mq_report_put_int(r, ops, clean, clamp(op->n));
    else
        r->failed = true;
    free(clean);
    free(name);
}

static void put_opsets(mq_report *r, json_t *side, const mq_model *m)
{
    json_t *opsets = mq_report_object(r, side, "opsets");

    for (size_t i = 0; i < m->opsets.n; i++) {
        const char *domain = mq_domain_norm(m->opsets.items[i].domain);
        char *clean = mq_utf8_clean(*domain ? domain : "ai.onnx");
        if (clean)
            mq_report_put_int(r, opsets, clean, m->opsets.items[i].version);
        else
            r->failed = true;
        free(clean);
    }
}

void mq_report_set_model(mq_report *r, mq_report_side which, const mq_model *m, uint64_t file_bytes, uint64_t data_bytes)
{
    mq_census c;
    json_t *side = mq_report_section(r, which == MQ_REPORT_BEFORE ? "before" : "after"), *ops;

    if (!side)
        return;
    if (mq_census_take(&c, m, NULL) != MQ_OK) {
        r->failed = true;
        return;
    }
    json_object_clear(side);
    put_size(r, side, &c, file_bytes, data_bytes);
    mq_report_put_int(r, side, "parameters", clamp(c.parameters));
    mq_report_put_int(r, side, "tensors", clamp(c.n_tensors));
    mq_report_put_int(r, side, "ir_version", m->ir_version);
    put_opsets(r, side, m);
    mq_report_put_int(r, side, "nodes", clamp(c.n_nodes));
    ops = mq_report_object(r, side, "operators");
    for (size_t i = 0; i < c.ops.n; i++)
        put_op_count(r, ops, &c.ops.items[i]);
    mq_census_release(&c);
}

static void put_optional_int(mq_report *r, json_t *e, const char *key, bool present, int64_t value)
{
    if (present)
        mq_report_put_int(r, e, key, value);
    else
        mq_report_put_null(r, e, key);
}

static void put_graph(mq_report *r, json_t *rewrites, const char *key, const mq_report_graph *g)
{
    json_t *o = mq_report_object(r, rewrites, key);

    mq_report_put_int(r, o, "nodes", clamp(g->nodes));
    put_optional_int(r, o, "macs", g->macs >= 0, g->macs);
}

void mq_report_set_rewrites(mq_report *r, const mq_report_graph *before, const mq_report_graph *after)
{
    json_t *o = mq_report_section(r, "rewrites");

    put_graph(r, o, "before", before);
    put_graph(r, o, "after", after);
    mq_report_array(r, o, "passes");
}

void mq_report_add_rewrite(mq_report *r, const char *name, const char *summary, uint64_t changed)
{
    json_t *e = mq_report_append(r, json_object_get(mq_report_section(r, "rewrites"), "passes"));

    mq_report_put_text(r, e, "name", name);
    mq_report_put_text(r, e, "summary", summary);
    mq_report_put_int(r, e, "changed", clamp(changed));
}

static void put_edges(mq_report *r, json_t *e, const char *key, const mq_value_vec *values)
{
    json_t *list = mq_report_array(r, e, key);

    for (size_t i = 0; i < values->n; i++)
        if (!values->items[i]->init)
            mq_report_push_text(r, list, values->items[i]->name);
}

void mq_report_add_part(mq_report *r, const mq_report_part *p)
{
    json_t *e = mq_report_append(r, mq_report_section(r, "parts"));

    mq_report_put_text(r, e, "file", p->file);
    mq_report_put_int(r, e, "bytes", clamp(p->bytes));
    put_optional_int(r, e, "macs", p->macs >= 0, p->macs);
    mq_report_put_int(r, e, "nodes", clamp(p->nodes));
    put_edges(r, e, "inputs", &p->graph->inputs);
    put_edges(r, e, "outputs", &p->graph->outputs);
}

void mq_report_add_connection(mq_report *r, const char *from, const char *output, const char *to, const char *input)
{
    json_t *e = mq_report_append(r, mq_report_section(r, "connections"));

    mq_report_put_text(r, e, "from", from);
    mq_report_put_text(r, e, "output", output);
    mq_report_put_text(r, e, "to", to);
    mq_report_put_text(r, e, "input", input);
}

/* ---- tensors ------------------------------------------------------------------------------------------------------ */

void mq_report_add_changed(mq_report *r, const mq_report_changed *c)
{
    json_t *e = mq_report_append(r, mq_report_section(r, "changed")), *nodes;

    mq_report_put_text(r, e, "name", c->name);
    nodes = mq_report_array(r, e, "nodes");
    for (size_t i = 0; i < c->n_nodes; i++)
        mq_report_push_text(r, nodes, c->nodes[i]);
    mq_report_put_text(r, e, "treatment", c->treatment);
    mq_report_put_text(r, e, "from", mq_dtype_name(c->from));
    mq_report_put_text(r, e, "to", mq_dtype_name(c->to));
    mq_report_put_dims(r, e, "shape", c->dims, c->n_dims);
    put_optional_int(r, e, "axis", c->axis >= 0, c->axis);
    put_optional_int(r, e, "block_size", c->block_size > 0, clamp(c->block_size));
    if (c->has_error) {
        mq_report_put_real(r, e, "sqnr_db", c->sqnr_db);
        mq_report_put_real(r, e, "max_abs_error", c->max_abs_error);
        mq_report_put_int(r, e, "clipped", clamp(c->clipped));
    }
    mq_report_put_int(r, e, "bytes_before", clamp(c->bytes_before));
    mq_report_put_int(r, e, "bytes_after", clamp(c->bytes_after));
}

void mq_report_add_sensitivity(mq_report *r, const mq_report_sensitivity *layer)
{
    json_t *e = mq_report_append(r, mq_report_section(r, "sensitivity")), *points;

    mq_report_put_text(r, e, "name", layer->name);
    if (layer->metric)
        mq_report_put_text(r, e, "metric", layer->metric);
    mq_report_put_int(r, e, "samples", (int64_t)layer->samples);
    points = mq_report_array(r, e, "points");
    for (size_t i = 0; i < layer->n_points; i++) {
        json_t *p = mq_report_append(r, points);

        if (layer->points[i].form)
            mq_report_put_text(r, p, "form", layer->points[i].form);
        else
            mq_report_put_real(r, p, "sparsity", layer->points[i].sparsity);
        mq_report_put_real(r, p, "sqnr_db", layer->points[i].sqnr_db);
        mq_report_put_real(r, p, "metric", layer->points[i].metric);
    }
}

void mq_report_add_activation(mq_report *r, const mq_report_activation *a)
{
    json_t *e = mq_report_append(r, mq_report_section(r, "activations"));

    mq_report_put_text(r, e, "name", a->name);
    mq_report_put_text(r, e, "node", a->node);
    mq_report_put_text(r, e, "type", mq_dtype_name(a->type));
    mq_report_put_real(r, e, "low", a->low);
    mq_report_put_real(r, e, "high", a->high);
    mq_report_put_real(r, e, "scale", a->scale);
    mq_report_put_int(r, e, "zero_point", a->zero_point);
    if (a->has_error) {
        mq_report_put_real(r, e, "sqnr_db", a->sqnr_db);
        mq_report_put_int(r, e, "clipped", clamp(a->clipped));
        mq_report_put_int(r, e, "values", clamp(a->values));
    }
    if (a->n_bins) {
        json_t *bins;
        mq_report_put_real(r, e, "min", a->min);
        mq_report_put_real(r, e, "max", a->max);
        bins = mq_report_array(r, e, "histogram");
        for (size_t i = 0; i < a->n_bins; i++)
            mq_report_push_int(r, bins, clamp(a->histogram[i]));
    }
}

void mq_report_add_saturating(mq_report *r, const mq_report_saturating *s)
{
    json_t *e = mq_report_append(r, mq_report_section(r, "saturating"));

    mq_report_put_text(r, e, "name", s->name);
    mq_report_put_text(r, e, "node", s->node);
    mq_report_put_int(r, e, "sum", s->sum);
    mq_report_put_int(r, e, "bits", s->bits);
}

void mq_report_add_edge(mq_report *r, const mq_report_edge *edge)
{
    json_t *e = mq_report_append(r, mq_report_section(r, "io"));

    mq_report_put_text(r, e, "name", edge->name);
    mq_report_put_text(r, e, "role", edge->is_input ? "input" : "output");
    mq_report_put_text(r, e, "type", mq_dtype_name(edge->type));
    mq_report_put_real(r, e, "scale", edge->scale);
    mq_report_put_int(r, e, "zero_point", edge->zero_point);
}

void mq_report_set_smoothing(mq_report *r, const mq_report_smoothing *s)
{
    json_t *o = mq_report_object(r, mq_report_section(r, "refinements"), "smoothing");

    mq_report_put_int(r, o, "activations", (int64_t)s->activations);
    mq_report_put_int(r, o, "inserted", (int64_t)s->inserted);
    mq_report_put_int(r, o, "products", (int64_t)s->products);
    if (!s->activations)
        return;
    mq_report_put_real(r, o, "least_alpha", s->least_alpha);
    mq_report_put_real(r, o, "most_alpha", s->most_alpha);
    mq_report_put_real(r, o, "expected_gain_db", s->expected_gain_db);
}

void mq_report_set_rounding(mq_report *r, size_t weights, double gain_db)
{
    json_t *o = mq_report_object(r, mq_report_section(r, "refinements"), "rounding");

    mq_report_put_int(r, o, "weights", (int64_t)weights);
    if (weights)
        mq_report_put_real(r, o, "gain_db", gain_db);
}

void mq_report_set_equalization(mq_report *r, size_t tensors)
{
    json_t *o = mq_report_object(r, mq_report_section(r, "refinements"), "equalization");

    mq_report_put_int(r, o, "tensors", (int64_t)tensors);
}

void mq_report_set_bias_correction(mq_report *r, size_t biases, double rms_shift, double rms_bias)
{
    json_t *o = mq_report_object(r, mq_report_section(r, "refinements"), "bias_correction");

    mq_report_put_int(r, o, "biases", (int64_t)biases);
    if (!biases)
        return;
    mq_report_put_real(r, o, "rms_shift", rms_shift);
    mq_report_put_real(r, o, "rms_bias", rms_bias);
}

void mq_report_add_kept(mq_report *r, const mq_report_kept *k)
{
    json_t *e = mq_report_append(r, mq_report_section(r, "kept"));

    mq_report_put_text(r, e, "name", k->name);
    mq_report_put_text(r, e, "node", k->node);
    mq_report_put_text(r, e, "op_type", k->op_type);
    mq_report_put_text(r, e, "type", mq_dtype_name(k->type));
    mq_report_put_int(r, e, "bytes", clamp(k->bytes));
    mq_report_put_text(r, e, "code", k->code);
    mq_report_put_text(r, e, "reason", k->reason);
}

/* One entry of worst_layers: a new reference, or NULL. */
static json_t *worst_entry(const json_t *changed)
{
    static const char *const keys[] = { "name", "nodes", "sqnr_db", "max_abs_error" };
    json_t *e = json_object();

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_set(e, keys[i], json_object_get(changed, keys[i])) != 0) {
            json_decref(e);
            return NULL;
        }
    return e;
}

json_t *mq_report_worst_layers(const json_t *changed, bool *ok)
{
    const json_t *worst[MQ_REPORT_N_WORST] = { NULL };
    size_t n = 0;
    json_t *list;

    for (size_t i = 0; i < json_array_size(changed); i++) {
        const json_t *e = json_array_get(changed, i);
        double mine, other;
        size_t k;
        if (!mq_json_get_real(e, "sqnr_db", &mine))
            continue;
        for (k = n; k > 0 && mq_json_get_real(worst[k - 1], "sqnr_db", &other) && mine < other; k--)
            if (k < MQ_REPORT_N_WORST)
                worst[k] = worst[k - 1];
        if (k < MQ_REPORT_N_WORST) {
            worst[k] = e;
            n += n < MQ_REPORT_N_WORST;
        }
    }
    if (n == 0)
        return NULL;
    list = json_array();
    *ok = *ok && list;
    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(list, worst_entry(worst[i])) != 0)
            *ok = false;
    return list;
}

/* ---- files and proof ---------------------------------------------------------------------------------------------- */

void mq_report_add_file(mq_report *r, const char *role, const char *path, uint64_t bytes, const char *sha256)
{
    json_t *e = mq_report_append(r, mq_report_section(r, "files"));

    mq_report_put_text(r, e, "role", role);
    mq_report_put_text(r, e, "path", path);
    mq_report_put_int(r, e, "bytes", clamp(bytes));
    if (sha256)
        mq_report_put_text(r, e, "sha256", sha256);
}

void mq_report_set_mode(mq_report *r, const char *name, const char *note)
{
    json_t *e = mq_report_section(r, "mode");

    mq_report_put_text(r, e, "name", name);
    if (note)
        mq_report_put_text(r, e, "note", note);
}

void mq_report_set_proof(mq_report *r, const char *mode, bool ok, const char *note)
{
    json_t *e = mq_report_section(r, "proof");

    mq_report_put_text(r, e, "mode", mode);
    mq_report_put_bool(r, e, "ok", ok);
    if (note)
        mq_report_put_text(r, e, "note", note);
}
