/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* LSTM(X, W, R, B, lens, h, c, P)  =>  com.microsoft DynamicQuantizeLSTM(X, W_q, R_q, B, lens, h, c, P, W_scale, W_zp,
 * R_scale, R_zp)
 *
 * The weights are stored transposed: W [dirs, input, 4 * hidden], R [dirs, hidden, 4 * hidden]. Scales are [dirs] or
 * [dirs, 4 * hidden]. ONNX Runtime's kernel takes float activations with time first, and with scales per channel one zero
 * point (0, or the middle of uint8); what it does not take is left to DequantizeLinear. */
#include "quant/dynamic_lstm.h"

#include <string.h>

#include "quant/targets.h"

/* ---- deciding ------------------------------------------------------------------------------------------------------ */

/* The item of the weight at input `at`; items' values are tagged with their places. NULL: none. */
static mq_quant_item *weight_of(const mq_quant_plan *plan, const mq_node *n, size_t at)
{
    const mq_value *v = n->n_inputs > at ? n->inputs[at] : NULL;
    return v && v->tag < plan->items.n && plan->items.items[v->tag]->value == v ? plan->items.items[v->tag] : NULL;
}

/* Why one weight does not fit; NULL: it does. */
static const char *weight_misfit(const mq_quant_item *it)
{
    const mq_weight *w = it ? &it->weight : NULL;

    if (!it)
        return "a weight is not constant";
    if (it->stay != MQ_STAY_NOT && (it->stay != MQ_STAY_SMALL || !w->grid.n_scales))
        return "a weight stays in float";
    if (it->value->type->dtype != MQ_FLOAT)
        return "its type is not float";
    if (w->source.n_dims != 3 || it->treatment != MQ_TREAT_DEQUANTIZE || mq_dtype_bits(w->scheme.type) != 8 ||
        w->grid.kind == MQ_PER_BLOCK || (w->grid.kind == MQ_PER_CHANNEL && it->axis != 1))
        return "it takes 8 bits with a scale per direction or per direction and channel";
    if (w->scales)
        return "scales are given for another form";
    if (!w->scheme.symmetric && w->grid.kind != MQ_PER_TENSOR)
        return "with scales per channel it takes one zero point (--symmetric or --per-tensor)";
    return NULL;
}

/* Do the shapes belong together, W [dirs, 4 * hidden, input] and R [dirs, 4 * hidden, hidden]? */
static bool shapes_agree(const mq_node *n, const mq_source *w, const mq_source *r)
{
    return w->dims[0] == r->dims[0] && w->dims[1] == r->dims[1] && r->dims[1] / 4 == r->dims[2] &&
           r->dims[1] % 4 == 0 && mq_node_attr_int(n, "hidden_size", r->dims[2]) == r->dims[2];
}

/* Of the form that DynamicQuantizeLSTM takes: integers, scales, and zero points, which are inputs it must have. */
static uint64_t bytes_of(const mq_weight *w)
{
    uint64_t dirs = (uint64_t)w->source.dims[0], scales = w->grid.kind == MQ_PER_CHANNEL ? dirs * w->grid.n : dirs;
    return (uint64_t)w->source.n + scales * (sizeof(float) + 1);
}

/* Why the node by itself does not fit; NULL: it does. */
static const char *node_misfit(const mq_quant_plan *plan, const mq_node *n)
{
    const mq_quant_item *w = weight_of(plan, n, 1), *r = weight_of(plan, n, 2);
    const mq_type *x = n->n_inputs && n->inputs[0] ? n->inputs[0]->type : NULL;
    const char *why = weight_misfit(w);

    if (!mq_quant_target_blocks(plan->opts->target)) /* the same targets have no operators of com.microsoft */
        return "the target has standard operators only";
    if (why || (why = weight_misfit(r)))
        return why;
    if (!x || x->dtype != MQ_FLOAT)
        return "its type is not float";
    if (mq_node_attr_int(n, "layout", 0) != 0)
        return "it has no layout 1 (batch first)";
    if (w->weight.scheme.type != r->weight.scheme.type)
        return "both weights must have one type";
    if (!shapes_agree(n, &w->weight.source, &r->weight.source))
        return "the shapes of its weights do not agree";
    if (bytes_of(&w->weight) + bytes_of(&r->weight) >= w->bytes_before + r->bytes_before)
        return "it would take more room";
    return NULL;
}

static bool is_lstm(const mq_node *n)
{
    return mq_node_is(n, "", "LSTM");
}

typedef MQ_VEC(mq_node *) node_vec;

/* Tags every LSTM: 1 when nothing speaks against it; the others are listed. */
static bool judge_nodes(const mq_quant_plan *plan, node_vec *unfit)
{
    for (size_t g = 0; g < plan->model->graphs.n; g++)
        for (mq_node *n = plan->model->graphs.items[g]->first; n; n = n->next) {
            n->tag = is_lstm(n) && !node_misfit(plan, n);
            if (is_lstm(n) && !n->tag && !mq_vec_push(unfit, n))
                return false;
        }
    return true;
}

/* What shares a weight with an operator that does not fit does not fit, and so on. `seen` is a mark per item. */
static bool spread(const mq_quant_item *it, node_vec *unfit, bool *seen)
{
    if (!it || seen[it->value->tag])
        return true;
    seen[it->value->tag] = true;
    for (size_t i = 0; i < it->value->uses.n; i++) {
        mq_node *n = it->value->uses.items[i].node;
        if (!is_lstm(n) || !n->tag)
            continue;
        n->tag = 0;
        if (!mq_vec_push(unfit, n))
            return false;
    }
    return true;
}

/* Weights that an operator of another kind takes, too. */
static bool spread_from_others(const mq_quant_plan *plan, node_vec *unfit, bool *seen)
{
    for (size_t k = 0; k < plan->items.n; k++) {
        const mq_quant_item *it = plan->items.items[k];
        for (size_t i = 0; i < it->value->uses.n; i++)
            if (!is_lstm(it->value->uses.items[i].node) && !spread(it, unfit, seen))
                return false;
    }
    return true;
}

/* ---- taking -------------------------------------------------------------------------------------------------------- */

/* The weight in the form of the operator. */
static void take(mq_quant_plan *plan, mq_quant_item *it)
{
    static const int64_t turn[3] = { 0, 2, 1 };
    mq_weight *w = &it->weight;
    mq_scheme plain = mq_scheme_of(w->scheme.type, w->scheme.symmetric, false, MQ_FLOAT);
    mq_choice reduce = it->reduce_range ? it->reduce_range : plan->opts->reduce_range;
    bool reduced = reduce == MQ_CHOICE_YES || w->scheme.q_max != plain.q_max;
    bool channels = w->grid.kind == MQ_PER_CHANNEL;
    const int64_t *d = w->source.dims;

    if (it->treatment == MQ_TREAT_DYNAMIC) /* taken for another node, or as its other weight */
        return;
    it->treatment = MQ_TREAT_DYNAMIC;
    it->bytes_after = bytes_of(w);
    it->stay = MQ_STAY_NOT;
    mq_source_transpose(&w->source, turn);
    w->scheme = mq_scheme_of(w->scheme.type, w->scheme.symmetric, reduced, MQ_FLOAT);
    it->reduce_axis = 1;
    it->channel_axis = 2;
    if (channels && d[0] > 1) { /* per direction and channel: blocks that are whole columns */
        it->axis = 1;
        w->grid = mq_grid_of(MQ_PER_BLOCK, 3, d, 1, (size_t)d[1]);
    } else if (channels || d[0] > 1) {
        it->axis = channels ? 2 : 0;
        w->grid = mq_grid_of(MQ_PER_CHANNEL, 3, d, it->axis, 0);
    } else {
        it->axis = -1;
        w->grid = mq_grid_of(MQ_PER_TENSOR, 3, d, 0, 0);
    }
}

static void tag_values(const mq_quant_plan *plan)
{
    for (size_t i = 0; i < plan->items.n; i++)
        plan->items.items[i]->value->tag = i;
}

mq_status mq_lstm_plan(mq_quant_plan *plan, mq_error *err)
{
    node_vec unfit = { 0 };
    bool *seen, ok;

    if (plan->opts->mode != MQ_MODE_DYNAMIC)
        return MQ_OK;
    tag_values(plan);
    seen = calloc(plan->items.n + 1, sizeof *seen);
    ok = seen && judge_nodes(plan, &unfit) && spread_from_others(plan, &unfit, seen);
    for (size_t i = 0; ok && i < unfit.n; i++) /* grows meanwhile */
        for (size_t at = 1; ok && at <= 2; at++)
            ok = spread(weight_of(plan, unfit.items[i], at), &unfit, seen);
    for (size_t g = 0; ok && g < plan->model->graphs.n; g++)
        for (const mq_node *n = plan->model->graphs.items[g]->first; n; n = n->next)
            if (n->tag) {
                take(plan, weight_of(plan, n, 1));
                take(plan, weight_of(plan, n, 2));
            }
    free(seen);
    mq_vec_release(&unfit);
    return ok ? MQ_OK : mq_oom(err);
}

static bool is_behind_dequantize(const mq_quant_item *it)
{
    return it && it->stay == MQ_STAY_NOT && it->treatment == MQ_TREAT_DEQUANTIZE;
}

static void warn_about(const mq_quant_plan *plan, const mq_node *n, const mq_hooks *hooks)
{
    const char *why;

    if (!is_behind_dequantize(weight_of(plan, n, 1)) && !is_behind_dequantize(weight_of(plan, n, 2)))
        return;
    why = node_misfit(plan, n);
    mq_warn(hooks, "dynamic-lstm-float", mq_node_label(n),
            "LSTM '%s' computes in float, its weights behind DequantizeLinear, and not as DynamicQuantizeLSTM: %s",
            mq_node_label(n), why ? why : "a weight is also that of another operator that it does not take");
}

void mq_lstm_warn(const mq_quant_plan *plan, const mq_hooks *hooks)
{
    if (plan->opts->mode != MQ_MODE_DYNAMIC)
        return;
    tag_values(plan);
    for (size_t g = 0; g < plan->model->graphs.n; g++)
        for (const mq_node *n = plan->model->graphs.items[g]->first; n; n = n->next)
            if (is_lstm(n))
                warn_about(plan, n, hooks);
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

void mq_lstm_emit_weight(mq_emit *e)
{
    mq_quant_item *it = e->item;
    mq_weight *w = &it->weight;
    int64_t dims[2] = { w->source.dims[0], w->source.dims[2] };
    int n_dims = w->grid.n_scales > (size_t)dims[0] ? 2 : 1;

    mq_weight_init_makers(w);
    it->q = mq_emit_made(e, "_quantized", w->scheme.type, 3, w->source.dims, &w->make_integers);
    it->scale = mq_emit_made(e, "_scale", MQ_FLOAT, n_dims, dims, &w->make_scales);
    it->zero_point = mq_emit_made(e, "_zero_point", w->scheme.type, n_dims, dims, &w->make_zero_points);
}

/* LSTM's attributes without the layout, which is the only one there is, and with the size, which it must have. */
static void give_attributes(mq_emit *e, mq_node *n, const mq_node *old, int64_t hidden)
{
    n->attrs = old->attrs;
    n->n_attrs = old->n_attrs;
    mq_node_remove_attr(n, "layout");
    if (!mq_node_attr(n, "hidden_size"))
        mq_emit_attr_int(e, n, "hidden_size", hidden);
}

static void rewrite_node(mq_emit *e, mq_node *old, const mq_quant_item *w, const mq_quant_item *r)
{
    enum { N_FLOAT_INPUTS = 8, MAX_OUTPUTS = 3 };
    const char *base = mq_arena_strdup(e->model->arena, mq_node_label(old));
    mq_value *in[12] = { NULL }, *out[MAX_OUTPUTS] = { NULL };
    size_t n_outputs = old->n_outputs < MAX_OUTPUTS ? old->n_outputs : MAX_OUTPUTS;
    mq_node *n;

    if (!base) {
        e->rc = mq_oom(e->err);
        return;
    }
    for (size_t i = 0; i < N_FLOAT_INPUTS && i < old->n_inputs; i++)
        in[i] = old->inputs[i];
    memcpy(in + 1, (mq_value *[]){ w->q, r->q }, 2 * sizeof *in);
    memcpy(in + 8, (mq_value *[]){ w->scale, w->zero_point, r->scale, r->zero_point }, 4 * sizeof *in);
    for (size_t i = 0; e->rc == MQ_OK && i < n_outputs; i++) {
        out[i] = old->outputs[i];
        e->rc = mq_node_set_output(old, i, NULL, e->err);
    }
    n = mq_emit_node(e, old, old->graph, "com.microsoft", "DynamicQuantizeLSTM", base, in, 12, out[0]);
    for (size_t i = 1; e->rc == MQ_OK && i < n_outputs; i++)
        e->rc = mq_node_set_output(n, i, out[i], e->err);
    if (e->rc != MQ_OK)
        return;
    give_attributes(e, n, old, w->weight.source.dims[2] / 4);
    mq_node_remove(old);
}

mq_status mq_lstm_rewrite(mq_quant_plan *plan, mq_error *err)
{
    mq_emit e = { .model = plan->model, .err = err };

    tag_values(plan);
    for (size_t g = 0; g < plan->model->graphs.n; g++)
        for (mq_node *n = plan->model->graphs.items[g]->first, *next; n && e.rc == MQ_OK; n = next) {
            const mq_quant_item *w = is_lstm(n) ? weight_of(plan, n, 1) : NULL;
            next = n->next;
            if (w && w->stay == MQ_STAY_NOT && w->treatment == MQ_TREAT_DYNAMIC)
                rewrite_node(&e, n, w, weight_of(plan, n, 2));
        }
    return e.rc;
}
