/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Structure of a model in memory. Input: any model, broken ones too. Output: findings. Operators, attributes and
 * data are not looked at here (ops/check.h, graph/verify_tensor.h), and nothing is repaired.
 *
 * A walk in file order keeps the set of values that are defined so far; a use outside it is out of order or
 * undefined, a definition inside it is a second one. */
#include "graph/verify.h"

#include <inttypes.h>
#include <string.h>

#include "base/str.h"

/* ---- a table from pointers to numbers ----------------------------------------------------------------------------- */

typedef struct slot {
    const void *key;
    size_t value;
} slot;

typedef struct table {
    slot *slots;
    size_t n, cap; /* cap: 0 or a power of two */
} table;

static slot *table_slot(const table *t, const void *key)
{
    size_t i = ((uintptr_t)key >> 4) * (size_t)0x9E3779B97F4A7C15u;

    i ^= i >> 32;
    for (i &= t->cap - 1; t->slots[i].key && t->slots[i].key != key; i = (i + 1) & (t->cap - 1))
        ;
    return &t->slots[i];
}

static const slot *table_find(const table *t, const void *key)
{
    const slot *s = t->cap ? table_slot(t, key) : NULL;

    return s && s->key ? s : NULL;
}

static bool table_grow(table *t)
{
    table bigger = { .cap = t->cap ? 2 * t->cap : 64, .n = t->n };

    if (!(bigger.slots = calloc(bigger.cap, sizeof *bigger.slots)))
        return false;
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].key)
            *table_slot(&bigger, t->slots[i].key) = t->slots[i];
    free(t->slots);
    *t = bigger;
    return true;
}

/* The number under key, 0 for a new one; NULL when out of memory. */
static size_t *table_at(table *t, const void *key)
{
    slot *s;

    if (2 * t->n >= t->cap && !table_grow(t))
        return NULL;
    s = table_slot(t, key);
    if (!s->key) {
        s->key = key;
        t->n++;
    }
    return &s->value;
}

static void table_release(table *t)
{
    free(t->slots);
    *t = (table){ 0 };
}

/* ---- the walk ----------------------------------------------------------------------------------------------------- */

/* What is known about a value: bits under its pointer. */
enum { DEFINED = 1, REPORTED = 2 };

typedef struct verifier {
    const mq_model *m;
    mq_findings *fs;
    table state;    /* value -> bits */
    mq_error *err;
} verifier;

static bool is_defined(const verifier *v, const mq_value *value)
{
    const slot *s = table_find(&v->state, value);

    return s && s->value & DEFINED;
}

static mq_status set_bits(verifier *v, const mq_value *value, size_t bits)
{
    size_t *state = table_at(&v->state, value);

    if (!state)
        return mq_oom(v->err);
    *state |= bits;
    return MQ_OK;
}

/* True the first time only: a value that is missing is told once, not at each of its uses. */
static bool first_report(verifier *v, const mq_value *value)
{
    const slot *s = table_find(&v->state, value);
    bool first = !s || !(s->value & REPORTED);

    if (set_bits(v, value, REPORTED) != MQ_OK)
        v->fs->failed = true;
    return first;
}

/* An error about one value of a node; fmt has one %s, for its name. */
static void error(verifier *v, const char *code, const mq_node *n, const char *fmt, const mq_value *value)
    __attribute__((format(printf, 4, 0)));

static void error(verifier *v, const char *code, const mq_node *n, const char *fmt, const mq_value *value)
{
    mq_finding_add(v->fs, MQ_SEVERITY_ERROR, code, (mq_place){ .node = n, .tensor = value->name }, fmt, value->name);
}

/* A body that a function owns directly: it sees no outer names and has no name of its own. */
static bool is_body(const mq_graph *g)
{
    return g->function && !g->owner;
}

static mq_status define_inputs(verifier *v, const mq_graph *g)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->inputs.n; i++) {
        const mq_value *in = g->inputs.items[i];

        if (in->duplicate || is_defined(v, in))
            mq_finding_add(v->fs, MQ_SEVERITY_ERROR, "name-duplicate", MQ_PLACE_TENSOR(g, in->name),
                           "two inputs have this name");
        MQ_TRY(set_bits(v, in, DEFINED));
    }
done:
    return rc;
}

static mq_status define_inits(verifier *v, const mq_graph *g)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->inits.n; i++) {
        const mq_value *init = g->inits.items[i];

        if (init->duplicate)
            mq_finding_add(v->fs, MQ_SEVERITY_ERROR, "name-duplicate", MQ_PLACE_TENSOR(g, init->name),
                           "two initializers have this name");
        else if (init->init && !init->is_input && v->m->has_ir_version && v->m->ir_version <= 3)
            mq_finding_add(v->fs, MQ_SEVERITY_ERROR, "init-not-input", MQ_PLACE_TENSOR(g, init->name),
                           "the initializer is not a graph input, which IR versions below 4 ask for");
        MQ_TRY(set_bits(v, init, DEFINED));
    }
done:
    return rc;
}

static bool sees(const mq_graph *g, const mq_graph *scope)
{
    for (; g; g = g->parent)
        if (g == scope)
            return true;
    return false;
}

static bool is_made_somewhere(const mq_value *value)
{
    return value->producer || value->init || value->sparse || value->is_input;
}

static mq_status check_use(verifier *v, const mq_node *n, const mq_value *in)
{
    if (!sees(n->graph, in->graph)) {
        error(v, "scope", n, "input '%s' belongs to a graph that cannot be seen from here", in);
        return MQ_OK;
    }
    if (is_defined(v, in) || !first_report(v, in))
        return MQ_OK;
    if (!is_made_somewhere(in))
        error(v, "undefined", n, "input '%s' is not defined by anything", in);
    else if (!in->producer)
        error(v, "order", n, "input '%s' is used before it is defined", in);
    else
        mq_finding_add(v->fs, MQ_SEVERITY_ERROR, "order", (mq_place){ .node = n, .tensor = in->name },
                       "input '%s' comes from node '%s' (%s), which stands later: nodes are not sorted", in->name,
                       mq_node_label(in->producer), in->producer->op_type);
    return MQ_OK;
}

/* The definition of that name in a scope around g that is visible at this point. */
static const mq_value *shadowed(const verifier *v, const mq_graph *g, const char *name)
{
    for (g = g->parent; g; g = g->parent) {
        const mq_value *outer = mq_graph_find_here(g, name);

        if (outer && is_defined(v, outer))
            return outer;
    }
    return NULL;
}

static mq_status define_output(verifier *v, const mq_node *n, const mq_value *out)
{
    if (out->duplicate || is_defined(v, out))
        error(v, "name-duplicate", n,
              "output '%s' has a name that is taken: each name is defined once (SSA)", out);
    else if (shadowed(v, n->graph, out->name))
        error(v, "name-duplicate", n,
              "output '%s' has the name of a value in the graph around this one", out);
    return set_bits(v, out, DEFINED);
}

static mq_status verify_graph(verifier *v, const mq_graph *g, int depth);

static mq_status verify_node(verifier *v, const mq_node *n, int depth)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i])
            MQ_TRY(check_use(v, n, n->inputs[i]));
    for (size_t i = 0; i < n->n_attrs; i++)
        for (size_t k = 0; n->attrs[i]->graphs && k < n->attrs[i]->n; k++)
            MQ_TRY(verify_graph(v, n->attrs[i]->graphs[k], depth + 1));
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i])
            MQ_TRY(define_output(v, n, n->outputs[i]));
done:
    return rc;
}

static void verify_outputs(verifier *v, const mq_graph *g)
{
    /* The specification's checker does not ask this of functions, and one that is never called does no harm. */
    mq_severity severity = is_body(g) ? MQ_SEVERITY_WARNING : MQ_SEVERITY_ERROR;

    for (size_t i = 0; i < g->outputs.n; i++) {
        const mq_value *out = g->outputs.items[i];

        if (out->graph != g || !is_defined(v, out))
            mq_finding_add(v->fs, severity, "output-undefined", MQ_PLACE_TENSOR(g, out->name),
                           "it is an output, but nothing in this graph makes it");
    }
}

/* ---- cycles ------------------------------------------------------------------------------------------------------- */

/* The node of g that n is, or that holds n in its subgraphs; NULL: elsewhere. */
static const mq_node *holder(const mq_graph *g, const mq_node *n)
{
    while (n && n->graph != g)
        n = n->graph ? n->graph->owner : NULL;
    return n;
}

typedef MQ_VEC(const mq_node *) node_vec;

/* Takes the nodes away that wait for nothing, one after the other; `waiting` counts what each of the others waits
 * for. */
static mq_status take_away(const mq_graph *g, table *waiting, node_vec *ready, mq_error *err)
{
    for (const mq_node *n = g->first; n; n = n->next)
        for (size_t i = 0; i < n->n_outputs; i++)
            for (size_t u = 0; n->outputs[i] && u < n->outputs[i]->uses.n; u++) {
                const mq_node *user = holder(g, n->outputs[i]->uses.items[u].node);
                size_t *count = user ? table_at(waiting, user) : NULL;

                if (user && !count)
                    return mq_oom(err);
                if (count)
                    ++*count;
            }
    for (const mq_node *n = g->first; n; n = n->next)
        if (!table_find(waiting, n) && !mq_vec_push(ready, n))
            return mq_oom(err);
    for (size_t r = 0; r < ready->n; r++)
        for (size_t i = 0; i < ready->items[r]->n_outputs; i++) {
            const mq_value *out = ready->items[r]->outputs[i];

            for (size_t u = 0; out && u < out->uses.n; u++) {
                const mq_node *user = holder(g, out->uses.items[u].node);

                if (user && --*table_at(waiting, user) == 0 && !mq_vec_push(ready, user))
                    return mq_oom(err);
            }
        }
    return MQ_OK;
}

/* Run only when the order is broken: can it be mended by sorting? */
static mq_status verify_cycles(verifier *v, const mq_graph *g)
{
    mq_status rc = MQ_OK;
    table waiting = { 0 };
    node_vec ready = { 0 };
    mq_str names = { 0 };
    const mq_node *first = NULL;
    size_t shown = 0;

    MQ_TRY(take_away(g, &waiting, &ready, v->err));
    if (ready.n == g->n_nodes)
        goto done;
    for (const mq_node *n = g->first; n && shown < 4; n = n->next) {
        const slot *s = table_find(&waiting, n);

        if (s && s->value) {
            mq_str_addf(&names, shown++ ? ", '%s'" : "'%s'", mq_node_label(n));
            first = first ? first : n;
        }
    }
    if (names.failed)
        MQ_TRY(mq_oom(v->err));
    mq_finding_add(v->fs, MQ_SEVERITY_ERROR, "cycle", MQ_PLACE_NODE(first),
                   "%zu nodes need their own results, or stand behind such nodes: %s%s", g->n_nodes - ready.n, names.s,
                   g->n_nodes - ready.n > shown ? ", ..." : "");
done:
    mq_str_release(&names);
    mq_vec_release(&ready);
    table_release(&waiting);
    return rc;
}

/* ---- links -------------------------------------------------------------------------------------------------------- */

static bool links_of_node(const mq_graph *g, const mq_node *n, size_t *n_inputs)
{
    if (n->graph != g || (n->prev ? n->prev->next : g->first) != n || (n->next ? n->next->prev : g->last) != n)
        return false;
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] && (n->outputs[i]->producer != n || n->outputs[i]->producer_index != i))
            return false;
    for (size_t i = 0; i < n->n_inputs; i++)
        *n_inputs += n->inputs[i] != NULL;
    return true;
}

/* Every use that a value lists is there. With the equal number of uses and of inputs no other input can be
 * unlisted. */
static bool links_of_value(const mq_value *value, size_t *n_uses)
{
    for (size_t i = 0; i < value->uses.n; i++) {
        const mq_use *u = &value->uses.items[i];

        if (!u->node->graph || u->index >= u->node->n_inputs || u->node->inputs[u->index] != value)
            return false;
    }
    *n_uses += value->uses.n;
    return true;
}

typedef struct link_count {
    size_t inputs, uses;
} link_count;

static mq_status verify_links(const mq_graph *g, link_count *count, mq_error *err)
{
    mq_status rc = MQ_OK;
    size_t n_nodes = 0;

    for (const mq_node *n = g->first; n; n = n->next, n_nodes++) {
        if (!links_of_node(g, n, &count->inputs))
            return mq_fail(err, MQ_ERR_INPUT, "node '%s' (%s): its links are broken", mq_node_label(n), n->op_type);
        for (size_t i = 0; i < n->n_attrs; i++)
            for (size_t k = 0; n->attrs[i]->graphs && k < n->attrs[i]->n; k++)
                MQ_TRY(verify_links(n->attrs[i]->graphs[k], count, err));
    }
    if (n_nodes != g->n_nodes)
        return mq_fail(err, MQ_ERR_INPUT, "graph '%s' counts %zu nodes but has %zu", g->name, g->n_nodes, n_nodes);
    for (size_t i = 0; i < g->values.n; i++)
        if (!links_of_value(g->values.items[i], &count->uses))
            return mq_fail(err, MQ_ERR_INPUT, "value '%s' lists a use that is not there", g->values.items[i]->name);
done:
    return rc;
}

/* ---- whole models ------------------------------------------------------------------------------------------------- */

static mq_status verify_graph(verifier *v, const mq_graph *g, int depth)
{
    mq_status rc = MQ_OK;
    size_t errors = v->fs->n_errors;

    if (depth > MQ_MAX_NESTING) {
        mq_finding_add(v->fs, MQ_SEVERITY_ERROR, "nesting", MQ_PLACE_GRAPH(g), "graphs are nested deeper than %d",
                       MQ_MAX_NESTING);
        return MQ_OK;
    }
    if (!is_body(g) && (!g->name || !*g->name))
        mq_finding_add(v->fs, MQ_SEVERITY_ERROR, "graph-name", MQ_PLACE_GRAPH(g), "the graph has no name");
    MQ_TRY(define_inputs(v, g));
    MQ_TRY(define_inits(v, g));
    for (const mq_node *n = g->first; n; n = n->next)
        MQ_TRY(verify_node(v, n, depth));
    verify_outputs(v, g);
    if (v->fs->n_errors > errors)
        MQ_TRY(verify_cycles(v, g));
done:
    return rc;
}

mq_status mq_model_verify_structure(const mq_model *m, mq_findings *fs, mq_error *err)
{
    mq_status rc = MQ_OK;
    verifier v = { .m = m, .fs = fs, .err = err };

    if (m->graph)
        MQ_TRY(verify_graph(&v, m->graph, 0));
    else
        mq_finding_add(fs, MQ_SEVERITY_ERROR, "graph-missing", MQ_PLACE_MODEL, "the model has no graph");
    for (size_t i = 0; m->ir_version >= 8 && i < m->n_functions; i++) /* older IR versions have no functions */
        MQ_TRY(verify_graph(&v, m->functions[i]->body, 0));
    if (fs->failed)
        MQ_TRY(mq_oom(err));
done:
    table_release(&v.state);
    return rc;
}

static const mq_finding *first_error(const mq_findings *fs)
{
    for (size_t i = 0; i < fs->list.n; i++)
        if (fs->list.items[i].severity == MQ_SEVERITY_ERROR)
            return &fs->list.items[i];
    return NULL;
}

mq_status mq_model_verify(const mq_model *m, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_findings fs = { 0 };
    link_count count = { 0 };
    const mq_finding *f;

    if (m->graph)
        MQ_TRY(verify_links(m->graph, &count, err));
    for (size_t i = 0; i < m->n_functions; i++)
        MQ_TRY(verify_links(m->functions[i]->body, &count, err));
    if (count.inputs != count.uses)
        MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "nodes have %zu inputs but values list %zu uses", count.inputs,
                       count.uses));
    MQ_TRY(mq_model_verify_structure(m, &fs, err));
    if ((f = first_error(&fs)))
        rc = mq_fail(err, MQ_ERR_INPUT, "%s: %s", f->place, f->text);
done:
    mq_findings_release(&fs);
    return rc;
}
