/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which node of the reference a quantized node of the model stands for: the one that has its weight, else its result, else
 * its own name. Quantizers keep these, with something behind them. Where a node has become several (a table's rows that are
 * gathered as integers, an operator on packed integers), everything between two tensors that both models have is the
 * layer. */
#include <string.h>

#include "api/drift_job.h"
#include "base/compiler.h"
#include "passes/pass.h"
#include "passes/qdq.h"

enum { MOST_NODES = 64 }; /* of a layer that is many nodes */

typedef struct names {
    mq_map by[3]; /* as mq_layer_view.keys */
    mq_layer_view many; /* stands for a key that several views have */
    mq_map labels; /* of the original reference: a weight's name -> its node */
    mq_map nodes;  /* and a node's name -> the node */
} names;

static bool add_keys(names *x, mq_layer_view *v)
{
    for (size_t i = 0; i < MQ_ARRAY_LEN(x->by); i++)
        if (v->keys[i] && *v->keys[i] &&
            !mq_map_put(&x->by[i], v->keys[i], mq_map_get(&x->by[i], v->keys[i]) ? &x->many : v))
            return false;
    return true;
}

static bool same_operator(const mq_layer_view *v, const mq_node *n)
{
    const bool product = strcmp(n->op_type, "Gemm") == 0 || strcmp(n->op_type, "MatMul") == 0;

    if (strcmp(v->op, n->op_type) == 0)
        return true;
    return product && (strcmp(v->op, "Gemm") == 0 || strcmp(v->op, "MatMul") == 0);
}

static mq_layer_view *look_up(const names *x, size_t key, const char *name, const mq_node *n)
{
    mq_layer_view *v = name && *name ? mq_map_get(&x->by[key], name) : NULL;

    return v && v != &x->many && !v->matched && same_operator(v, n) ? v : NULL;
}

/* ---- the reference's side ------------------------------------------------------------------------------------------- */

static mq_value *result_of(const mq_node *n)
{
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i])
            return n->outputs[i];
    return NULL;
}

/* The stored constant behind the first input that is one. */
static const mq_value *weight_of(const mq_node *n)
{
    for (size_t i = 0; i < n->n_inputs; i++) {
        const mq_value *v = n->inputs[i];

        if (!v || !mq_layers_is_constant(v))
            continue;
        if ((v = mq_layers_stored(v)))
            return v;
    }
    return NULL;
}

static bool is_activation(const mq_node *n)
{
    static const char *const ops[] = { "Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "Relu", "Sigmoid", "Tanh" };

    if (!mq_node_is_any(n, "", ops, MQ_ARRAY_LEN(ops)) || !n->n_inputs || !n->outputs[0])
        return false;
    for (size_t i = 1; i < n->n_inputs; i++)
        if (n->inputs[i] && !mq_layers_is_constant(n->inputs[i]))
            return false;
    return true;
}

/* The activations behind n that nobody else sees the inputs of. */
static size_t find_tail(const mq_node *n, mq_node *tail[MQ_LAYER_TAIL])
{
    const mq_value *v = result_of(n);
    size_t count = 0;

    while (v && count < MQ_LAYER_TAIL) {
        mq_node *next = mq_only_reader(v);

        if (!next || !is_activation(next) || next->inputs[0] != v)
            break;
        tail[count++] = next;
        v = next->outputs[0];
    }
    return count;
}

static const mq_value *at_tail(const mq_layer_job *l, size_t k)
{
    return k ? l->tail[k - 1]->outputs[0] : result_of(l->node);
}

static mq_layer_view *find_view(const names *x, const mq_layer_job *l, size_t n_tail)
{
    const mq_value *w = weight_of(l->node);
    mq_layer_view *v = look_up(x, 0, w ? w->name : NULL, l->node);

    for (size_t k = 0; !v && k <= n_tail; k++)
        v = look_up(x, 1, at_tail(l, k)->name, l->node);
    return v ? v : look_up(x, 2, l->node->name, l->node);
}

/* ---- the tensor that is judged -------------------------------------------------------------------------------------- */

static mq_value *float_value(const mq_layers_job *j, const char *name)
{
    mq_value *v = mq_graph_find_here(j->model->graph, name);

    return v && v->producer && mq_dtype_is_float(mq_value_dtype(v)) ? v : NULL;
}

/* Floats of the integers that a view makes. */
static mq_status dequantize(mq_layers_job *j, const mq_layer_view *v, mq_value **out)
{
    mq_value *in[3] = { v->out, NULL, NULL };
    const float scale = (float)v->made.out_scale;
    const uint16_t zero = (uint16_t)v->made.out_zero;
    mq_graph *g = j->model->graph;
    mq_node *n;
    mq_status rc;

    MQ_TRY(mq_constant_of(g, v->out->name, MQ_FLOAT, 0, NULL, &scale, &in[1], j->err));
    MQ_TRY(mq_constant_of(g, v->out->name, v->made.type, 0, NULL, &zero, &in[2], j->err));
    MQ_TRY(mq_pass_insert(v->node, "", "DequantizeLinear", NULL, in, 3, &n, j->err));
    MQ_TRY(mq_pass_give_output(n, v->out, out, j->err));
    mq_node_move(n, NULL);
done:
    return rc;
}

/* Does v end where the integers' range does, at 0, while nobody in the model takes the negative ones away? */
static bool cuts_at_zero(const mq_fake *f, const mq_value *v)
{
    int64_t low, high;

    mq_qdq_range(f->type, &low, &high);
    for (size_t i = 0; i < v->uses.n; i++)
        if (is_activation(v->uses.items[i].node))
            return false;
    return f->on && low == f->out_zero;
}

static mq_status choose_tensor(mq_layers_job *j, mq_layer_job *l, size_t n_tail)
{
    mq_fake fake = { 0 };
    mq_value *made = NULL, *behind;
    size_t k = 0;
    mq_status rc = MQ_OK;

    while (k <= n_tail && !(made = float_value(j, at_tail(l, k)->name)))
        k++;
    if (!made)
        for (k = n_tail; k > 0 && strcmp(l->view->keys[1], at_tail(l, k)->name) != 0;)
            k--;
    if (!made && l->view->made.on) {
        fake = l->view->made;
        rc = dequantize(j, l->view, &made);
    } else if (!made) {
        made = l->view->out;
    }
    if (rc != MQ_OK)
        return rc;
    if ((behind = mq_layers_quantized(made, &fake)))
        made = behind;
    else if (made->producer && l->view->made.on && made->producer->n_inputs && made->producer->inputs[0] == l->view->out)
        fake = l->view->made;
    if (k == 0 && n_tail && strcmp(l->tail[0]->op_type, "Relu") == 0 && fake.on && cuts_at_zero(&fake, made))
        k = 1;
    l->n_tail = k;
    l->ref = at_tail(l, k);
    l->made = made->name;
    return MQ_OK;
}

/* ---- layers that are many nodes ------------------------------------------------------------------------------------- */

typedef struct walk {
    const mq_layers_job *j;
    const mq_value *end;
    size_t n_nodes;
    int least_bits; /* of the integers of 8 bits or fewer among the constants; 0: there are none */
    bool rounds;    /* an activation becomes integers */
} walk;

static bool is_common(const walk *w, const mq_value *v)
{
    const mq_value *a = v == w->end ? NULL : mq_graph_find_here(w->j->reference->graph, v->name);

    return a && !mq_layers_is_constant(a);
}

static void see_constant(walk *w, const mq_tensor *t)
{
    const int bits = mq_dtype_bits(t->dtype);

    if (mq_dtype_is_integer(t->dtype) && bits <= 8 && mq_tensor_count(t) >= 16)
        w->least_bits = w->least_bits && w->least_bits < bits ? w->least_bits : bits;
}

static void see_node(walk *w, const mq_node *n)
{
    const int64_t bits = mq_node_attr_int(n, "bits", 0); /* of operators on packed integers */

    w->rounds = w->rounds || mq_node_is(n, "", "QuantizeLinear") || strncmp(n->op_type, "Dynamic", 7) == 0;
    if (bits > 0 && bits < 8)
        w->least_bits = (int)bits;
}

/* false: it does not end at tensors that the reference has. */
static bool walk_back(walk *w, const mq_value *v)
{
    const mq_tensor *t = mq_value_constant(v, false);
    const mq_node *n = v->producer;

    if (t) {
        see_constant(w, t);
        return true;
    }
    if (is_common(w, v))
        return true;
    if (!n || ++w->n_nodes > MOST_NODES)
        return false;
    if (mq_layers_has_graphs(n))
        return false;
    see_node(w, n);
    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] && !walk_back(w, n->inputs[i]))
            return false;
    return true;
}

static bool is_layer(const mq_node *n)
{
    static const char *const ops[] = { "Conv", "ConvTranspose", "GRU", "Gather", "Gemm", "LSTM", "MatMul", "RNN" };

    return mq_node_is_any(n, "", ops, MQ_ARRAY_LEN(ops));
}

/* The nodes of the model that make what n makes, when they compute with small integers. */
static bool find_region(mq_layers_job *j, mq_layer_job *l)
{
    const mq_value *ref = result_of(l->node), *made = float_value(j, ref->name);
    walk w = { .j = j, .end = made };

    if (!is_layer(l->node) || !weight_of(l->node) || !made || !walk_back(&w, made) || !w.least_bits)
        return false;
    l->ref = ref;
    l->made = made->name;
    l->only_weights = !w.rounds;
    l->least_bits = w.least_bits;
    return true;
}

/* ---- all ------------------------------------------------------------------------------------------------------------ */

/* How the user calls it: rewriting renames nodes, not weights. */
static const char *label_of(const names *x, const mq_node *n)
{
    const mq_value *w = weight_of(n);
    const mq_node *at = w ? mq_map_get(&x->labels, w->name) : NULL;

    if (mq_map_get(&x->nodes, n->name))
        return n->name;
    return at && strcmp(at->op_type, n->op_type) == 0 ? mq_node_label(at) : mq_node_label(n);
}

static mq_status index_names(mq_layers_job *j, names *x)
{
    for (size_t i = 0; i < j->n_views; i++)
        if (!add_keys(x, &j->views[i]))
            return mq_oom(j->err);
    for (mq_node *n = j->original->graph->first; n; n = n->next) {
        const mq_value *w = weight_of(n);

        if (w && !mq_map_get(&x->labels, w->name) && !mq_map_put(&x->labels, w->name, n))
            return mq_oom(j->err);
        if (*n->name && !mq_map_put(&x->nodes, n->name, n))
            return mq_oom(j->err);
    }
    return MQ_OK;
}

static mq_status match_node(mq_layers_job *j, const names *x, mq_node *n)
{
    mq_layer_job l = { .node = n };
    const size_t n_tail = find_tail(n, l.tail);
    mq_layer_view *v;
    mq_status rc = MQ_OK;

    n->tag = 0;
    if (!result_of(n) || mq_value_dtype(result_of(n)) != MQ_FLOAT || mq_layers_is_constant(result_of(n)))
        return MQ_OK;
    if ((v = find_view(x, &l, n_tail))) {
        v->matched = true;
        l.view = v;
        rc = choose_tensor(j, &l, n_tail);
    } else if (!find_region(j, &l)) {
        return MQ_OK;
    }
    l.label = label_of(x, n);
    if (rc == MQ_OK && !mq_vec_push(&j->layers, l))
        return mq_oom(j->err);
    n->tag = j->layers.n;
    return rc;
}

mq_status mq_layers_match(mq_layers_job *j)
{
    names x = { 0 };
    mq_status rc = index_names(j, &x);

    for (mq_node *n = j->reference->graph->first; n && rc == MQ_OK; n = n->next)
        rc = match_node(j, &x, n);
    for (size_t i = 0; i < MQ_ARRAY_LEN(x.by); i++)
        mq_map_release(&x.by[i]);
    mq_map_release(&x.labels);
    mq_map_release(&x.nodes);
    if (rc == MQ_OK && j->n_views == 0 && j->layers.n == 0)
        return mq_fail(j->err, MQ_ERR_UNSUPPORTED, "nothing in the model is quantized");
    if (rc == MQ_OK && j->layers.n == 0)
        return mq_fail(j->err, MQ_ERR_UNSUPPORTED,
                       "no quantized node has the weight, the result or the name of a node of the reference");
    return rc;
}

mq_status mq_layers_drop(mq_layers_job *j, mq_layer_job *l, mq_status rc)
{
    if (rc != MQ_ERR_UNSUPPORTED)
        return rc;
    mq_warn(j->hooks, "layers-unread", l->label, "%s is left out: %s", l->label, j->err ? j->err->text : "");
    if (j->err)
        *j->err = (mq_error){ 0 };
    j->views[l->view - j->views].matched = false;
    l->dropped = true;
    return MQ_OK;
}
