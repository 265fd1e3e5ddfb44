/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The reverse walk: which nodes lie between the parameters and the loss, a rule for each from the last to the first, and the
 * sum of what comes back to a value from those who read it. */
#include "train/grad.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passes/pass.h"
#include "train/grad_families.h"

/* Tags of the forward nodes; what rules add has 0. */
enum { APART = 1, DEPENDS, PATH };

typedef struct walk {
    mq_graph *g;
    bool *needs;       /* by tag of a value: depends on a parameter */
    bool *leads;       /* by tag: the loss depends on it, and it on a parameter */
    mq_value **grads;  /* by tag: what has come back so far */
    mq_error *err;
} walk;

static const mq_grad_rule *find_rule(const mq_node *n)
{
#define LIST(family) mq_grad_rules_##family,
    static const mq_grad_rule *const lists[] = { MQ_GRAD_FAMILIES(LIST) };
#undef LIST

    for (size_t i = 0; i < MQ_ARRAY_LEN(lists); i++)
        for (const mq_grad_rule *r = lists[i]; r->op; r++)
            if (mq_node_is(n, r->domain, r->op))
                return r;
    return NULL;
}

bool mq_grad_known(const mq_node *n)
{
    return find_rule(n) != NULL;
}

/* ---- what lies between --------------------------------------------------------------------------------------------- */

/* Gradients pass through numbers with fractions, and through what nobody knows. */
static bool may_pass(const mq_value *v)
{
    const mq_dtype t = mq_value_dtype(v);

    return t == MQ_UNDEFINED || mq_dtype_is_float(t);
}

/* v depends on a parameter, and so do all who read it, in inner graphs too. */
static void mark_readers(const walk *w, const mq_value *v)
{
    w->needs[v->tag] = true;
    for (size_t i = 0; i < v->uses.n; i++) {
        mq_node *n = v->uses.items[i].node;

        while (n && n->graph != w->g)
            n = n->graph->owner;
        if (n)
            n->tag = DEPENDS;
    }
}

static void mark_dependent(const walk *w, mq_value *const *wrt, size_t n)
{
    for (mq_node *node = w->g->first; node; node = node->next)
        node->tag = APART;
    for (size_t i = 0; i < n; i++)
        mark_readers(w, wrt[i]);
    for (const mq_node *node = w->g->first; node; node = node->next)
        for (size_t i = 0; node->tag == DEPENDS && i < node->n_outputs; i++)
            if (node->outputs[i] && may_pass(node->outputs[i]))
                mark_readers(w, node->outputs[i]);
}

static bool any_leads(const walk *w, const mq_node *n)
{
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] && w->leads[n->outputs[i]->tag])
            return true;
    return false;
}

static void mark_path(const walk *w, const mq_value *loss)
{
    w->leads[loss->tag] = w->needs[loss->tag];
    for (mq_node *n = w->g->last; n; n = n->prev) {
        if (n->tag != DEPENDS || !any_leads(w, n))
            continue;
        n->tag = PATH;
        for (size_t i = 0; i < n->n_inputs; i++)
            if (n->inputs[i] && w->needs[n->inputs[i]->tag])
                w->leads[n->inputs[i]->tag] = true;
    }
}

static mq_status check_path(const walk *w)
{
    for (const mq_node *n = w->g->first; n; n = n->next) {
        const char *domain = mq_domain_norm(n->domain);

        if (n->tag == PATH && !find_rule(n))
            return mq_fail(w->err, MQ_ERR_UNSUPPORTED, "node '%s' (%s%s%s %lld) has no gradient", mq_node_label(n), domain,
                           *domain ? "::" : "", n->op_type, (long long)mq_opset_of(n->graph, n->domain));
    }
    return MQ_OK;
}

/* ---- back ---------------------------------------------------------------------------------------------------------- */

/* One more gradient of v: sums are made in the order in which the readers are walked. */
static mq_status gather(const walk *w, mq_grad *k, mq_value *v, mq_value *grad)
{
    mq_value **sum = &w->grads[v->tag];

    grad->type = v->type;
    *sum = *sum ? mq_grad_op(k, "Add", *sum, grad) : grad;
    if (k->rc == MQ_OK)
        (*sum)->type = v->type;
    return k->rc;
}

static void begin_rule(const walk *w, mq_grad *k, mq_value **dy, bool *wants)
{
    const mq_node *n = k->n;

    for (size_t i = 0; i < n->n_outputs; i++)
        dy[i] = n->outputs[i] ? w->grads[n->outputs[i]->tag] : NULL;
    for (size_t i = 0; i < n->n_inputs; i++) {
        wants[i] = n->inputs[i] && w->needs[n->inputs[i]->tag] && may_pass(n->inputs[i]);
        if (wants[i] && k->dtype == MQ_UNDEFINED)
            k->dtype = mq_value_dtype(n->inputs[i]);
    }
}

/* A parameter leads to an input that the rule has no gradient for: weights of classes, scales of Resize. */
static void check_given(mq_grad *k)
{
    char text[64];

    for (size_t i = 0; i < k->n->n_inputs && k->rc == MQ_OK; i++)
        if (k->wants[i] && !k->dx[i] && (i >= 32 || !(k->flat >> i & 1))) {
            snprintf(text, sizeof text, "none with respect to its input %zu, from 0", i);
            mq_grad_refuse(k, text);
        }
}

static mq_status apply_rule(const walk *w, mq_node *n)
{
    mq_arena *arena = w->g->model->arena;
    mq_value **dy = mq_arena_calloc(arena, n->n_outputs + 1, sizeof(mq_value *));
    mq_value **dx = mq_arena_calloc(arena, n->n_inputs + 1, sizeof(mq_value *));
    bool *wants = mq_arena_calloc(arena, n->n_inputs + 1, sizeof *wants), any = false;
    mq_grad k = { .g = w->g, .n = n, .dy = dy, .wants = wants, .dx = dx, .err = w->err };

    if (!dy || !dx || !wants || !(k.base = mq_arena_printf(arena, "%s_grad", mq_node_label(n))))
        return mq_oom(w->err);
    begin_rule(w, &k, dy, wants);
    for (size_t i = 0; i < n->n_outputs; i++)
        any = any || dy[i];
    if (!any)
        return MQ_OK; /* the rules of those behind it pass nothing on */
    find_rule(n)->fn(&k);
    check_given(&k);
    for (size_t i = 0; i < n->n_inputs && k.rc == MQ_OK; i++)
        if (dx[i])
            k.rc = gather(w, &k, n->inputs[i], dx[i]);
    return k.rc;
}

/* d loss / d loss */
static mq_status begin_walk(const walk *w, const mq_value *loss)
{
    int64_t dims[MQ_MAX_RANK];
    mq_value *one = NULL;
    mq_grad k = { .g = w->g, .dtype = mq_value_dtype(loss), .base = "loss_grad", .err = w->err };

    for (int i = 0; i < mq_value_rank(loss); i++)
        dims[i] = 1;
    one = mq_grad_number(&k, 1);
    if (k.rc == MQ_OK && mq_value_rank(loss) > 0)
        one = mq_grad_reshape_to(&k, one, dims, (size_t)mq_value_rank(loss));
    w->grads[loss->tag] = one;
    return k.rc;
}

static mq_status run_walk(const walk *w, const mq_value *loss)
{
    mq_node *last = w->g->last;
    mq_status rc = begin_walk(w, loss);

    for (mq_node *n = last; n && rc == MQ_OK; n = n->prev)
        if (n->tag == PATH)
            rc = apply_rule(w, n);
    return rc;
}

/* ---- from outside -------------------------------------------------------------------------------------------------- */

static mq_status check_loss(const mq_graph *g, const mq_value *loss, mq_error *err)
{
    const int rank = mq_value_rank(loss);
    const mq_dtype t = mq_value_dtype(loss);

    if (loss->graph != g)
        return mq_fail(err, MQ_ERR_USAGE, "the loss '%s' is no tensor of the main graph", loss->name);
    if (rank < 0 || rank > MQ_MAX_RANK || (t != MQ_FLOAT && t != MQ_DOUBLE && t != MQ_FLOAT16 && t != MQ_BFLOAT16))
        return mq_fail(err, MQ_ERR_USAGE, "the loss '%s' must be one number of a float type", loss->name);
    for (int i = 0; i < rank; i++)
        if (mq_value_dim(loss, i).value != 1)
            return mq_fail(err, MQ_ERR_USAGE, "the loss '%s' must be one number; its axis %d is not known to be 1",
                           loss->name, i);
    return MQ_OK;
}

static mq_status number_values(walk *w)
{
    const size_t n = w->g->values.n + 1;

    w->needs = calloc(n, sizeof *w->needs);
    w->leads = calloc(n, sizeof *w->leads);
    w->grads = calloc(n, sizeof *w->grads);
    if (!w->needs || !w->leads || !w->grads)
        return mq_oom(w->err);
    for (size_t i = 0; i < w->g->values.n; i++)
        w->g->values.items[i]->tag = i + 1;
    return MQ_OK;
}

/* Each gradient is a value of its own: a rule may have passed one on to several. */
static mq_status hand_over(const walk *w, mq_value *const *wrt, size_t n, mq_value **out)
{
    mq_grad k = { .g = w->g, .base = "loss_grad", .err = w->err };

    for (size_t i = 0; i < n && k.rc == MQ_OK; i++) {
        bool taken = false;

        out[i] = w->grads[wrt[i]->tag];
        for (size_t j = 0; j < i && !taken; j++)
            taken = out[i] && out[j] == out[i];
        if (!taken)
            continue;
        out[i] = mq_grad_op(&k, "Identity", out[i]);
        if (out[i])
            out[i]->type = wrt[i]->type;
    }
    return k.rc;
}

mq_status mq_grad_append(mq_graph *g, mq_value *loss, mq_value *const *wrt, size_t n, mq_value **out, mq_error *err)
{
    walk w = { .g = g, .err = err };
    mq_status rc = MQ_OK;

    MQ_TRY(check_loss(g, loss, err));
    for (size_t i = 0; i < n; i++)
        if (wrt[i]->graph != g)
            return mq_fail(err, MQ_ERR_USAGE, "'%s' is no tensor of the main graph", wrt[i]->name);
    MQ_TRY(number_values(&w));
    mark_dependent(&w, wrt, n);
    mark_path(&w, loss);
    MQ_TRY(check_path(&w));
    if (w.leads[loss->tag])
        MQ_TRY(run_walk(&w, loss));
    MQ_TRY(hand_over(&w, wrt, n, out));
done:
    free(w.needs);
    free(w.leads);
    free(w.grads);
    return rc;
}
