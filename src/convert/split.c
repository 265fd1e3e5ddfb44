/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Nodes that constants alone determine are set aside: each part repeats those it needs. What is left is a row of steps; a
 * cut between two of them has a price (the bytes handed over), a part has a cost. First the least cost of the dearest part
 * is found, by bisection, then the greatest cost of the cheapest one; then, with a tenth allowed either way, the cuts of the
 * least price. Each is dynamic programming over the ends of parts. */
#include "convert/split_parts.h"

#include <stdlib.h>
#include <string.h>

#include "exec/kernel.h"
#include "graph/cut.h"

#define SLACK 10 /* a tenth */
#define BISECTIONS 12 /* of the cheapest part's cost */
#define NODE_BYTES 48 /* of a node's message besides its names */
#define MOST_MORE 16  /* parts beyond the fewest, where cuts are not possible everywhere */

static uint64_t tensor_bytes(const mq_tensor *t)
{
    const int64_t n = t->storage == MQ_STORE_STRINGS ? (int64_t)t->n_items * 16 : mq_tensor_size(t);

    return n > 0 ? (uint64_t)n : 0;
}

/* ---- what constants determine -------------------------------------------------------------------------------------- */

/* How long the chain of nodes is that constants determine and that ends here; 0: this one is none. */
static size_t chain_length(const mq_node *n)
{
    const mq_kernel *k = mq_kernel_find(mq_domain_norm(n->domain), n->op_type);
    size_t longest = 0;

    if (mq_node_is(n, "", "Constant"))
        return 1;
    if (!k || k->flags & MQ_KERNEL_RANDOM)
        return 0;
    for (size_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i]->graphs)
            return 0;
    for (size_t i = 0; i < n->n_inputs; i++) {
        const mq_value *v = n->inputs[i];

        if (!mq_split_is_fixed(v) || (v && v->is_input))
            return 0;
        if (v && v->producer && MQ_SPLIT_NONE - v->producer->tag > longest)
            longest = MQ_SPLIT_NONE - v->producer->tag;
    }
    return longest < MQ_SPLIT_CHAIN ? longest + 1 : 0;
}

/* ---- steps --------------------------------------------------------------------------------------------------------- */

static uint64_t node_bytes(const mq_node *n)
{
    uint64_t bytes = NODE_BYTES + strlen(n->name) + strlen(n->op_type);

    for (size_t i = 0; i < n->n_inputs; i++)
        bytes += n->inputs[i] ? strlen(n->inputs[i]->name) + 2 : 2;
    for (size_t i = 0; i < n->n_outputs; i++)
        bytes += n->outputs[i] ? 2 * strlen(n->outputs[i]->name) + 32 : 2;
    for (size_t i = 0; i < n->n_attrs; i++) {
        const mq_attr *a = n->attrs[i];

        bytes += strlen(a->name) + 8 + 10 * a->n;
        for (size_t k = 0; a->tensors && k < a->n; k++)
            bytes += tensor_bytes(a->tensors[k]);
        for (size_t k = 0; a->graphs && k < a->n; k++) {
            for (const mq_node *inner = a->graphs[k]->first; inner; inner = inner->next)
                bytes += node_bytes(inner);
            for (size_t j = 0; j < a->graphs[k]->inits.n; j++)
                bytes += a->graphs[k]->inits.items[j]->init ? tensor_bytes(a->graphs[k]->inits.items[j]->init) : 0;
        }
    }
    return bytes;
}

/* Notes the initializers behind v for the step that is being made, through what constants determine. */
static mq_status use_value(void *user, mq_value *v)
{
    mq_splitting *s = user;
    mq_split_step *at = &s->steps[s->n];
    const size_t now = s->n + 1;
    mq_status rc = MQ_OK;

    if (s->seen[v->tag] == now)
        return MQ_OK;
    s->seen[v->tag] = now;
    if (v->init || v->sparse) {
        if (!mq_vec_push(&s->used, v->tag))
            return mq_oom(s->err);
        at->n_inits++;
    } else if (v->producer && mq_split_is_aside(v->producer)) {
        at->own += s->o->macs ? 0 : node_bytes(v->producer);
        rc = mq_node_each_read(v->producer, s->g, use_value, s); /* no deeper than chains of constants are long */
    }
    return rc;
}

/* Every value of the main graph gets an index: initializers first, so that init_bytes is short. */
static mq_status number_values(mq_splitting *s)
{
    size_t next = 0;

    if (!(s->init_bytes = calloc(s->g->inits.n + 1, sizeof *s->init_bytes)) ||
        !(s->seen = calloc(s->g->values.n + s->g->inits.n + 1, sizeof *s->seen)))
        return mq_oom(s->err);
    for (size_t i = 0; i < s->g->inits.n; i++) {
        const mq_value *v = s->g->inits.items[i];

        s->init_bytes[i] = strlen(v->name) + 16 + (v->init ? tensor_bytes(v->init) : tensor_bytes(v->sparse->values) +
                                                                                       tensor_bytes(v->sparse->indices));
        s->g->inits.items[i]->tag = next++;
    }
    for (size_t i = 0; i < s->g->values.n; i++)
        if (!s->g->values.items[i]->init && !s->g->values.items[i]->sparse)
            s->g->values.items[i]->tag = next++;
    return MQ_OK;
}

static mq_status make_steps(mq_splitting *s)
{
    mq_status rc = number_values(s);

    if (rc != MQ_OK || !(s->steps = calloc(s->g->n_nodes + 1, sizeof *s->steps)))
        return rc == MQ_OK ? mq_oom(s->err) : rc;
    for (mq_node *n = s->g->first; n && rc == MQ_OK; n = n->next) {
        const size_t chain = chain_length(n);
        mq_split_step *at = &s->steps[s->n];

        n->tag = chain ? MQ_SPLIT_NONE - chain : s->n;
        if (chain)
            continue;
        at->node = n;
        at->first_init = s->used.n;
        at->own = node_bytes(n);
        if (s->o->macs) {
            const int64_t macs = s->o->macs(n);
            at->own = macs > 0 ? (uint64_t)macs + 1 : 1;
        }
        rc = mq_node_each_read(n, s->g, use_value, s);
        s->n++;
    }
    return rc;
}

/* ---- prices -------------------------------------------------------------------------------------------------------- */

static uint64_t value_bytes(const mq_value *v)
{
    uint64_t n = 1;

    if (!v->type || v->type->kind != MQ_TYPE_TENSOR || v->type->rank < 0)
        return 4;
    for (int i = 0; i < v->type->rank; i++)
        if (v->type->dims[i].value > 0 && __builtin_mul_overflow(n, (uint64_t)v->type->dims[i].value, &n))
            return UINT64_MAX >> 16;
    return n * (uint64_t)((mq_dtype_bits(v->type->dtype) + 7) / 8);
}

/* Of a walk over the steps: which one it is at, and the last that read each value, + 1. */
typedef struct readers {
    size_t now, *last;
} readers;

static mq_status note_reader(void *user, mq_value *v)
{
    readers *r = user;

    r->last[v->tag] = r->now;
    return MQ_OK;
}

static mq_status set_prices(mq_splitting *s)
{
    readers r = { .last = calloc(s->g->values.n + s->g->inits.n + 1, sizeof *r.last) };
    int64_t sum = 0;

    if (!r.last)
        return mq_oom(s->err);
    for (r.now = 1; r.now <= s->n; r.now++)
        mq_node_each_read(s->steps[r.now - 1].node, s->g, note_reader, &r);
    for (size_t i = 0; i < s->n; i++)
        for (size_t o = 0; o < s->steps[i].node->n_outputs; o++) {
            const mq_value *v = s->steps[i].node->outputs[o];
            const size_t end = v ? r.last[v->tag] : 0;

            if (end <= i + 1)
                continue;
            s->steps[i + 1].price += value_bytes(v); /* differences first: it lives from here … */
            s->steps[end].price -= value_bytes(v);   /* … to there; steps has one more than n */
            s->steps[i + 1].closed += !mq_can_be_edge(v);
            s->steps[end].closed -= !mq_can_be_edge(v);
        }
    for (size_t i = 0; i <= s->n; i++) {
        sum += (int64_t)s->steps[i].price;
        s->steps[i].price = (uint64_t)sum;
        s->steps[i].closed += i ? s->steps[i - 1].closed : 0;
    }
    free(r.last);
    return MQ_OK;
}

/* ---- cuts ---------------------------------------------------------------------------------------------------------- */

/* The cost that step t adds to the window, or takes from it. */
static uint64_t enter(mq_splitting *s, size_t t)
{
    uint64_t cost = s->steps[t].own;

    for (size_t i = 0; !s->o->macs && i < s->steps[t].n_inits; i++) {
        const size_t init = s->used.items[s->steps[t].first_init + i];

        cost += s->seen[init]++ ? 0 : s->init_bytes[init];
    }
    return cost;
}

static uint64_t leave(mq_splitting *s, size_t t)
{
    uint64_t cost = s->steps[t].own;

    for (size_t i = 0; !s->o->macs && i < s->steps[t].n_inits; i++) {
        const size_t init = s->used.items[s->steps[t].first_init + i];

        cost += --s->seen[init] ? 0 : s->init_bytes[init];
    }
    return cost;
}

/* Sets `first` for parts of at most `most`; the fewest parts that will do, or the step that is dearer alone (in *alone). */
static size_t fewest_parts(mq_splitting *s, uint64_t most, size_t *alone)
{
    uint64_t cost = 0;
    size_t from = 0, n = 0;

    memset(s->seen, 0, (s->g->inits.n + 1) * sizeof *s->seen);
    s->first[0] = 0;
    for (size_t end = 1; end <= s->n; end++) {
        cost += enter(s, end - 1);
        while (cost > most && from < end)
            cost -= leave(s, from++);
        if (from == end) {
            *alone = end - 1;
            return MQ_SPLIT_NONE;
        }
        s->first[end] = from;
    }
    for (size_t end = s->n; end > 0; end = s->first[end])
        n++;
    return n;
}

/* Sets `last` for parts of at least `least`. */
static void set_last(mq_splitting *s, uint64_t least)
{
    uint64_t cost = 0;
    size_t from = 0;

    memset(s->seen, 0, (s->g->inits.n + 1) * sizeof *s->seen);
    s->last[0] = 0;
    for (size_t end = 1; end <= s->n; end++) {
        cost += enter(s, end - 1);
        while (cost >= least && from < end)
            cost -= leave(s, from++);
        s->last[end] = from;
    }
}

static uint64_t total_cost(mq_splitting *s)
{
    uint64_t cost = 0;

    memset(s->seen, 0, (s->g->inits.n + 1) * sizeof *s->seen);
    for (size_t t = 0; t < s->n; t++)
        cost += enter(s, t);
    return cost;
}

/* The least that the dearest of n parts can cost. */
static uint64_t least_maximum(mq_splitting *s, size_t n_parts)
{
    uint64_t low = 0, high = total_cost(s);
    size_t alone;

    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;

        if (fewest_parts(s, middle, &alone) <= n_parts)
            high = middle;
        else
            low = middle + 1;
    }
    return high;
}

typedef struct cutting {
    uint64_t *before, *now; /* the least price of the parts so far, by where the last one ends; UINT64_MAX: not possible */
    uint32_t *from;         /* [part * (n + 1) + end]: where the last one begins */
    size_t *queue;          /* beginnings that may be the best yet, dearer ones behind */
} cutting;

static uint64_t price_from(const mq_splitting *s, const cutting *c, size_t from)
{
    return c->before[from] == UINT64_MAX || s->steps[from].closed ? UINT64_MAX : c->before[from] + s->steps[from].price;
}

/* One part more. The best beginning of a part that ends at `end` is the least of a window that only moves on. */
static void add_part(const mq_splitting *s, cutting *c, size_t k)
{
    size_t head = 0, tail = 0, next = 0;

    c->now[0] = UINT64_MAX;
    for (size_t end = 1; end <= s->n; end++) {
        for (; next < s->last[end]; next++) {
            const uint64_t price = price_from(s, c, next);

            while (tail > head && price_from(s, c, c->queue[tail - 1]) >= price)
                tail--;
            c->queue[tail++] = next;
        }
        while (head < tail && c->queue[head] < s->first[end])
            head++;
        c->now[end] = head < tail ? price_from(s, c, c->queue[head]) : UINT64_MAX;
        c->from[k * (s->n + 1) + end] = head < tail ? (uint32_t)c->queue[head] : 0;
    }
}

/* Is there a way, `first` and `last` being set? The tables then say which is the cheapest. */
static bool find(mq_splitting *s, cutting *c, size_t n_parts)
{
    for (size_t i = 0; i <= s->n; i++)
        c->before[i] = i == 0 ? 0 : UINT64_MAX;
    for (size_t k = 0; k < n_parts; k++) {
        uint64_t *const swap = c->before;

        add_part(s, c, k);
        c->before = c->now;
        c->now = swap;
    }
    return c->before[s->n] != UINT64_MAX;
}

/* The most that the cheapest part can cost. */
static uint64_t greatest_minimum(mq_splitting *s, cutting *c, size_t n_parts, uint64_t most)
{
    uint64_t low = 0, high = most;

    for (int i = 0; i < BISECTIONS; i++) {
        const uint64_t middle = low + (high - low) / 2;

        set_last(s, middle);
        if (find(s, c, n_parts))
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The cheapest cuts into n_parts of at most `most`, `first` being set; *found: there are some. */
static mq_status cut(mq_splitting *s, size_t n_parts, uint64_t most, bool *found)
{
    const size_t width = s->n + 1;
    cutting c = { 0 };
    size_t room, end = s->n;
    mq_status rc = MQ_OK;

    if (width > UINT32_MAX || __builtin_mul_overflow(n_parts, width * sizeof *c.from, &room) || !(c.from = malloc(room)) ||
        !(c.before = malloc(width * sizeof *c.before)) || !(c.now = malloc(width * sizeof *c.now)) ||
        !(c.queue = malloc(width * sizeof *c.queue)))
        rc = mq_oom(s->err);
    set_last(s, 0);
    *found = rc == MQ_OK && find(s, &c, n_parts);
    if (*found) {
        const uint64_t least = greatest_minimum(s, &c, n_parts, most);

        set_last(s, least - least / SLACK);
        find(s, &c, n_parts);
        for (size_t k = n_parts; k-- > 0;) {
            const size_t from = c.from[k * width + end];

            for (size_t t = from; t < end; t++)
                s->steps[t].part = k;
            end = from;
        }
    }
    free(c.from);
    free(c.before);
    free(c.now);
    free(c.queue);
    return rc;
}

static mq_status no_cut(const mq_splitting *s, const char *option)
{
    return mq_fail(s->err, MQ_ERR_UNSUPPORTED, "%s: the types or ranks of the tensors between the nodes are not known where "
                   "the model would be cut (--at names another place)", option);
}

/* Where cuts are not possible everywhere, parts may be less alike. */
static mq_status by_balance(mq_splitting *s, size_t *n_parts)
{
    const uint64_t total = total_cost(s);
    uint64_t most;
    size_t alone;
    bool found = false;
    mq_status rc = MQ_OK;

    *n_parts = s->o->n_parts;
    if (*n_parts > s->n)
        return mq_fail(s->err, MQ_ERR_USAGE, "--parts %zu: the model has %zu node%s that can be apart", *n_parts, s->n,
                       s->n == 1 ? "" : "s");
    most = least_maximum(s, *n_parts);
    for (most += most / SLACK;; most = most < total / 2 ? 2 * most : total) {
        fewest_parts(s, most, &alone);
        rc = cut(s, *n_parts, most, &found);
        if (rc != MQ_OK || found || most >= total)
            break;
    }
    return rc == MQ_OK && !found ? no_cut(s, "--parts") : rc;
}

static mq_status by_size(mq_splitting *s, size_t *n_parts)
{
    size_t alone = 0;
    bool found = false;
    mq_status rc = MQ_OK;

    *n_parts = fewest_parts(s, s->o->max_bytes, &alone);
    if (*n_parts == MQ_SPLIT_NONE) {
        memset(s->seen, 0, (s->g->inits.n + 1) * sizeof *s->seen);
        return mq_fail(s->err, MQ_ERR_UNSUPPORTED, "--max-size: node '%s' (%s) alone needs %llu bytes",
                       mq_node_label(s->steps[alone].node), s->steps[alone].node->op_type,
                       (unsigned long long)enter(s, alone));
    }
    for (size_t more = 0; more < MOST_MORE && *n_parts <= s->n && rc == MQ_OK && !found; more++, *n_parts += !found)
        rc = cut(s, *n_parts, s->o->max_bytes, &found);
    return rc == MQ_OK && !found ? no_cut(s, "--max-size") : rc;
}

mq_status mq_split_plan(mq_model *m, const mq_split_plan_opts *o, mq_split_part **parts, size_t *n_parts, mq_error *err)
{
    mq_splitting s = { .g = m->graph, .o = o, .err = err };
    mq_status rc;

    MQ_TRY(make_steps(&s));
    if (!(s.first = malloc((s.n + 1) * sizeof *s.first)) || !(s.last = malloc((s.n + 1) * sizeof *s.last)))
        MQ_TRY(mq_oom(err));
    if (s.n == 0)
        MQ_TRY(mq_fail(err, MQ_ERR_USAGE, "the model computes nothing from its inputs"));
    MQ_TRY(set_prices(&s));
    MQ_TRY(o->n_at ? mq_split_at_tensors(&s, n_parts) : o->n_parts ? by_balance(&s, n_parts) : by_size(&s, n_parts));
    rc = mq_split_make_parts(&s, parts, *n_parts);
done:
    mq_vec_release(&s.used);
    free(s.steps);
    free(s.init_bytes);
    free(s.seen);
    free(s.first);
    free(s.last);
    return rc;
}
