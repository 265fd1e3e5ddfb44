/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* move-transposes: what computes the same on turned tensors (turn.h) is turned where that takes fewer Transposes, or
 * as many of smaller tensors.
 *   Transpose -> Add bias -> Relu -> Transpose back     =>  Add bias, turned -> Relu
 *   Transpose, Transpose -> Concat                       =>  Concat along another axis -> Transpose
 *   Transpose -> ReduceMean that keeps its dimensions    =>  ReduceMean along other axes -> Transpose
 * For each order of axes that occurs and each connected part of such operators, a minimum cut says which of them to
 * turn; what that really saves is then counted, and nothing is changed unless it saves something. So the sum of
 * Transposes, and of their elements (unknown sizes count as 1), falls with each change.
 * Skipped for values from graphs around, for parts that a Transpose connects with themselves, and for large constants
 * that others read too.
 * Numerics: exact but for the order in which a reduction adds up. */
#include "passes/min_cut.h"
#include "passes/turn.h"

#define MAX_TURNS 16
#define MAX_PART 20000                 /* nodes */
#define EFFORT 100000000               /* steps of a minimum cut */
#define DONE SIZE_MAX                  /* tag of a node that has been looked at */
#define ONE_TRANSPOSE ((int64_t)1 << 40) /* more than the elements of all others together */
#define MAX_ELEMENTS ((int64_t)1 << 24)

/* A value that the part takes or makes; its tag is the index in the list, from 1 on. */
typedef struct site {
    mq_value *v, *turned;
    mq_node *made; /* the node that makes `turned` in the place of v's producer */
    bool inner;    /* the part makes it */
} site;

/* Nodes that could be turned; the tag is the index in the list, from 1 on. */
typedef struct member {
    mq_node *node;
    bool gives; /* its outputs are turned with it */
    bool in;    /* it is to be turned */
} member;

typedef struct part {
    mq_graph *g;
    mq_turn turn, back;
    MQ_VEC(member) members;
    MQ_VEC(site) sites;
} part;

/* ---- what reads a value --------------------------------------------------------------------------------------------
 * */

static member *member_of(const part *p, const mq_node *n)
{
    return n && n->graph == p->g && n->tag && n->tag != DONE ? &p->members.items[n->tag - 1] : NULL;
}

static member *maker_of(const part *p, const mq_value *v)
{
    member *m = member_of(p, v->producer);

    return m && m->gives ? m : NULL;
}

/* The member that this use belongs to, as a tensor that would be turned. */
static member *reader_of(const part *p, mq_use use)
{
    member *m = member_of(p, use.node);

    return m && mq_turn_takes(m->node, use.index, &p->turn) ? m : NULL;
}

/* The Transpose that makes v, in the same graph. */
static mq_node *turner_of(const part *p, const mq_value *v, mq_turn *t)
{
    return v->producer && v->producer->graph == p->g && mq_turn_read(v->producer, t) ? v->producer : NULL;
}

/* Is the use a Transpose to the form that the part would have? One alone may give a graph output. */
static bool use_takes(const part *p, mq_use use, bool *named)
{
    mq_turn t;

    if (use.node->graph != p->g || !mq_turn_read(use.node, &t) || !mq_turn_same(&t, &p->turn))
        return false;
    if (use.node->outputs[0]->n_output_uses) {
        if (*named)
            return false;
        *named = true;
    }
    return true;
}

/* Is it another Transpose, which may do both? */
static bool use_turns(const part *p, mq_use use)
{
    mq_turn t;

    return use.node->graph == p->g && mq_turn_read(use.node, &t) && !mq_turn_same(&t, &p->turn);
}

static int64_t price(const mq_value *v)
{
    int64_t elements = 1;

    for (int i = 0; i < mq_value_rank(v); i++) {
        const mq_dim d = mq_value_dim(v, i);

        if (mq_dim_known(d) && __builtin_mul_overflow(elements, d.value, &elements))
            elements = MAX_ELEMENTS;
        elements = elements < MAX_ELEMENTS ? elements : MAX_ELEMENTS;
    }
    return ONE_TRANSPOSE + elements;
}

/* ---- the part ------------------------------------------------------------------------------------------------------
 * */

static bool push_node(part *p, mq_node *n)
{
    member m = { .node = n };

    if (!n || n->graph != p->g || n->tag || p->members.n >= MAX_PART || !mq_turn_fits(n, &p->turn))
        return true;
    m.gives = mq_turn_gives_turned(n, &p->turn);
    if (!mq_vec_push(&p->members, m))
        return false;
    n->tag = p->members.n;
    return true;
}

/* v, and all members that v connects. */
static bool push_value(part *p, mq_value *v)
{
    if (v->tag)
        return true;
    if (!mq_vec_push(&p->sites, ((site){ .v = v })))
        return false;
    v->tag = p->sites.n;
    if (!push_node(p, v->producer))
        return false;
    for (size_t i = 0; i < v->uses.n; i++)
        if (!push_node(p, v->uses.items[i].node))
            return false;
    return true;
}

/* All that hangs together with the first member. */
static bool grow(part *p)
{
    for (size_t i = 0; i < p->members.n; i++) {
        mq_node *n = p->members.items[i].node;

        for (size_t k = 0; k < n->n_inputs; k++)
            if (mq_turn_takes(n, k, &p->turn) && !push_value(p, n->inputs[k]))
                return false;
        for (size_t k = 0; k < n->n_outputs && p->members.items[i].gives; k++)
            if (!push_value(p, n->outputs[k]))
                return false;
    }
    for (size_t i = 0; i < p->sites.n; i++)
        p->sites.items[i].inner = maker_of(p, p->sites.items[i].v) != NULL;
    return true;
}

static void clear_part(part *p)
{
    for (size_t i = 0; i < p->members.n; i++)
        p->members.items[i].node->tag = DONE;
    for (size_t i = 0; i < p->sites.n; i++)
        p->sites.items[i].v->tag = 0;
    p->members.n = p->sites.n = 0;
}

/* ---- which members -------------------------------------------------------------------------------------------------
 * */

/* What turning v costs that comes from outside; *kept: what is due as long as a plain form is needed. */
static int64_t price_of_turned(const part *p, const mq_value *v, int64_t *kept)
{
    bool named = false, all = v->n_output_uses == 0;
    mq_turn t;

    *kept = 0;
    if (turner_of(p, v, &t)) {
        const mq_turn both = mq_turn_join(&t, &p->turn);

        for (size_t i = 0; i < v->uses.n; i++)
            all &= reader_of(p, v->uses.items[i]) != NULL;
        *kept = all ? price(v) : 0;
        return mq_turn_none(&both) ? 0 : price(v);
    }
    for (size_t i = 0; i < v->uses.n; i++)
        if (use_takes(p, v->uses.items[i], &named))
            return 0;
    return price(v);
}

/* What can be said of what reads v, apart from members. */
static void look_outside(const part *p, const mq_value *v, int64_t *saved, bool *plain)
{
    bool named = false;

    *saved = 0;
    *plain = v->n_output_uses > 0;
    for (size_t i = 0; i < v->uses.n; i++) {
        if (reader_of(p, v->uses.items[i]))
            continue;
        if (use_takes(p, v->uses.items[i], &named))
            *saved += price(v);
        else if (!use_turns(p, v->uses.items[i]))
            *plain = true;
    }
}

static int thing(const mq_node *n)
{
    return (int)n->tag + 1; /* 0 and 1 are the sides */
}

/* First side: to be turned. */
static void price_site(mq_cut *c, const part *p, const site *s)
{
    const mq_value *v = s->v;
    const int maker = s->inner ? thing(v->producer) : 0, turned = mq_cut_add(c), plain = mq_cut_add(c);
    int64_t kept = 0, saved = 0, cost = price_of_turned(p, v, &kept);
    bool needed = false;

    for (size_t i = 0; i < v->uses.n; i++) {
        const member *m = reader_of(p, v->uses.items[i]);

        if (!m)
            continue;
        mq_cut_price(c, thing(m->node), turned, MQ_CUT_NEVER); /* one reader that is turned needs the turned form */
        mq_cut_price(c, plain, thing(m->node), MQ_CUT_NEVER);  /* one that is not needs the plain one */
    }
    if (!s->inner) {
        mq_cut_price(c, turned, MQ_CUT_SECOND, cost);
        mq_cut_price(c, MQ_CUT_FIRST, plain, kept);
        return;
    }
    look_outside(p, v, &saved, &needed);
    mq_cut_price(c, turned, maker, cost);
    mq_cut_price(c, maker, plain, price(v));
    mq_cut_price(c, MQ_CUT_FIRST, maker, saved);
    if (needed)
        mq_cut_price(c, maker, MQ_CUT_SECOND, price(v));
}

static mq_status choose(part *p, bool *chosen, mq_error *err)
{
    mq_cut c = { .failed = false };

    *chosen = false;
    for (size_t i = 0; i < p->members.n && !c.failed; i++)
        mq_cut_add(&c);
    for (size_t i = 0; i < p->sites.n && !c.failed; i++)
        price_site(&c, p, &p->sites.items[i]);
    if (mq_cut_solve(&c, EFFORT))
        for (size_t i = 0; i < p->members.n; i++) {
            p->members.items[i].in = mq_cut_is_first(&c, thing(p->members.items[i].node));
            *chosen |= p->members.items[i].in;
        }
    mq_cut_release(&c);
    return c.failed ? mq_oom(err) : MQ_OK;
}

/* ---- what it saves -------------------------------------------------------------------------------------------------
 * */

static bool is_in(const member *m)
{
    return m && m->in;
}

/* Do members that are turned read v, and *others that are not? */
static bool read_inside(const part *p, const mq_value *v, bool *others)
{
    bool inside = false;

    *others = v->n_output_uses > 0;
    for (size_t i = 0; i < v->uses.n; i++) {
        const bool in = is_in(reader_of(p, v->uses.items[i]));

        inside |= in;
        *others |= !in;
    }
    return inside;
}

/* Prices after less prices before, for v. *good false: a Transpose has both its ends in what is turned. */
static int64_t change_at(const part *p, const mq_value *v, bool *good)
{
    const mq_node *turner;
    int64_t kept, cost, saved = 0;
    bool others, named = false, plain = v->n_output_uses > 0;
    mq_turn t;

    if (!is_in(maker_of(p, v))) {
        if (!read_inside(p, v, &others))
            return 0;
        turner = turner_of(p, v, &t);
        *good &= !turner || !is_in(maker_of(p, turner->inputs[0]));
        cost = price_of_turned(p, v, &kept);
        return cost - (turner && !others ? price(v) : 0);
    }
    for (size_t i = 0; i < v->uses.n; i++) {
        if (is_in(reader_of(p, v->uses.items[i])))
            continue;
        if (use_takes(p, v->uses.items[i], &named))
            saved += price(v);
        else if (!use_turns(p, v->uses.items[i]))
            plain = true;
    }
    return (plain ? price(v) : 0) - saved;
}

static bool saves(const part *p)
{
    int64_t sum = 0;
    bool good = true;

    for (size_t i = 0; i < p->sites.n && good; i++)
        sum += change_at(p, p->sites.items[i].v, &good);
    return good && sum < 0;
}

/* ---- turning -------------------------------------------------------------------------------------------------------
 * */

static mq_status insert_transpose(mq_node *at, mq_value *v, const mq_turn *t, mq_node **out, mq_error *err)
{
    mq_status rc = mq_pass_insert(at, "", "Transpose", NULL, &v, 1, out, err);

    return rc == MQ_OK ? mq_node_set_attr_ints(*out, "perm", t->perm, (size_t)t->rank, err) : rc;
}

static mq_status name_output(mq_node *n, const mq_value *like, mq_type *type, mq_value **out, mq_error *err)
{
    mq_status rc = mq_pass_give_output(n, like, out, err);

    if (rc == MQ_OK)
        (*out)->type = type;
    return rc;
}

/* The turned form of a value from outside: what a Transpose made it of, or gave of it already, or a new Transpose. */
static mq_status turn_outside(part *p, site *s, mq_error *err)
{
    mq_node *turner, *made, *behind = s->v->producer ? s->v->producer->next : p->g->first;
    mq_turn t, both = p->turn;
    bool named = false;
    mq_status rc;

    if ((turner = turner_of(p, s->v, &t))) {
        both = mq_turn_join(&t, &p->turn);
        s->turned = turner->inputs[0];
        if (mq_turn_none(&both))
            return MQ_OK;
    }
    for (size_t i = 0; i < s->v->uses.n && !turner; i++) {
        const mq_use use = s->v->uses.items[i];

        if (!use_takes(p, use, &named))
            continue;
        if (use.node != behind)
            mq_node_move(use.node, behind);
        s->turned = use.node->outputs[0];
        return MQ_OK;
    }
    rc = insert_transpose(behind, turner ? turner->inputs[0] : s->v, &both, &made, err);
    return rc == MQ_OK ? name_output(made, s->v, mq_turn_type(s->v, &p->turn), &s->turned, err) : rc;
}

/* The turned form of what the part makes: new, or what a Transpose gave as a graph output. */
static mq_status turn_inside(part *p, site *s, mq_error *err)
{
    bool named = false;

    for (size_t i = 0; i < s->v->uses.n && !s->turned; i++) {
        mq_node *n = s->v->uses.items[i].node;

        if (!use_takes(p, s->v->uses.items[i], &named) || !n->outputs[0]->n_output_uses)
            continue;
        s->turned = n->outputs[0];
        mq_node_remove(n);
    }
    if (!s->turned && !(s->turned = mq_value_create_unique(p->g, s->v->name)))
        return mq_oom(err);
    s->turned->type = mq_turn_type(s->v, &p->turn);
    return MQ_OK;
}

static mq_status turn_member(part *p, const member *m, mq_error *err)
{
    mq_node *n = m->node, *made;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_pass_insert(n, n->domain, n->op_type, n, n->inputs, n->n_inputs, &made, err));
    for (size_t i = 0; i < n->n_inputs; i++)
        if (mq_turn_takes(n, i, &p->turn)) {
            site *s = &p->sites.items[n->inputs[i]->tag - 1];

            if (!s->turned)
                MQ_TRY(turn_outside(p, s, err));
            MQ_TRY(mq_node_set_input(made, i, s->turned, err));
        }
    MQ_TRY(mq_turn_apply(made, &p->turn, err));
    for (size_t i = 0; i < n->n_outputs; i++) {
        mq_value *v = n->outputs[i];
        site *s = m->gives ? &p->sites.items[v->tag - 1] : NULL;

        MQ_TRY(mq_node_set_output(n, i, NULL, err));
        MQ_TRY(mq_node_set_output(made, i, s ? s->turned : v, err));
        if (s)
            s->made = made;
    }
done:
    return rc;
}

/* Those who still read the plain form of what is made turned. */
static mq_status serve_outside(part *p, site *s, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_node *back;

    for (size_t i = s->v->uses.n; i-- > 0 && rc == MQ_OK;) {
        mq_node *n = s->v->uses.items[i].node;
        mq_turn t;

        if (n->graph != p->g || !mq_turn_read(n, &t))
            continue;
        t = mq_turn_join(&p->back, &t);
        if (mq_turn_none(&t) && !n->outputs[0]->n_output_uses) {
            MQ_TRY(mq_value_replace_uses(n->outputs[0], s->turned, err));
            mq_node_remove(n);
        } else if (!mq_turn_none(&t)) {
            MQ_TRY(mq_node_set_attr_ints(n, "perm", t.perm, (size_t)t.rank, err));
            MQ_TRY(mq_node_set_input(n, 0, s->turned, err));
        }
    }
    if (rc != MQ_OK || mq_value_unused(s->v))
        return rc;
    MQ_TRY(insert_transpose(s->made, s->turned, &p->back, &back, err));
    mq_node_move(back, s->made->next);
    rc = mq_node_set_output(back, 0, s->v, err);
done:
    return rc;
}

static mq_status rewrite(part *p, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < p->sites.n; i++)
        if (is_in(maker_of(p, p->sites.items[i].v)))
            MQ_TRY(turn_inside(p, &p->sites.items[i], err));
    for (size_t i = 0; i < p->members.n; i++)
        if (p->members.items[i].in)
            MQ_TRY(turn_member(p, &p->members.items[i], err));
    for (size_t i = 0; i < p->members.n; i++)
        if (p->members.items[i].in)
            mq_node_remove(p->members.items[i].node);
    for (size_t i = 0; i < p->sites.n; i++) {
        site *s = &p->sites.items[i];

        if (s->made)
            MQ_TRY(serve_outside(p, s, err));
        else if (s->v->producer && mq_node_is(s->v->producer, "", "Transpose"))
            mq_pass_drop(s->v->producer);
    }
done:
    return rc;
}

/* ---- the pass ------------------------------------------------------------------------------------------------------
 * */

static mq_status try_part(part *p, mq_node *seed, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;
    bool chosen;

    if (!push_node(p, seed) || !grow(p))
        rc = mq_oom(err);
    if (rc == MQ_OK && p->members.n) {
        rc = choose(p, &chosen, err);
        if (rc == MQ_OK && chosen && saves(p)) {
            rc = rewrite(p, err);
            ++*n_changed;
        }
    }
    clear_part(p);
    return rc;
}

typedef MQ_VEC(mq_node *) node_vec;

/* What stands at the turned side of a Transpose of this order, or of the opposite one. */
static bool find_seeds(const part *p, node_vec *seeds)
{
    bool ok = true;
    mq_turn t;

    for (mq_node *n = p->g->first; n; n = n->next)
        n->tag = 0;
    for (size_t i = 0; i < p->g->values.n; i++)
        p->g->values.items[i]->tag = 0;
    for (mq_node *n = p->g->first; n && ok; n = n->next) {
        if (!mq_turn_read(n, &t))
            continue;
        if (mq_turn_same(&t, &p->turn) && n->inputs[0]->producer)
            ok = mq_vec_push(seeds, n->inputs[0]->producer);
        for (size_t i = 0; i < n->outputs[0]->uses.n && ok && mq_turn_same(&t, &p->back); i++)
            ok = mq_vec_push(seeds, n->outputs[0]->uses.items[i].node);
    }
    return ok;
}

static mq_status try_turn(mq_graph *g, const mq_turn *t, size_t *n_changed, mq_error *err)
{
    part p = { .g = g, .turn = *t, .back = mq_turn_back(t) };
    node_vec seeds = { 0 };
    mq_status rc = find_seeds(&p, &seeds) ? MQ_OK : mq_oom(err);

    for (size_t i = 0; i < seeds.n && rc == MQ_OK; i++)
        if (!seeds.items[i]->tag)
            rc = try_part(&p, seeds.items[i], n_changed, err);
    mq_vec_release(&seeds);
    mq_vec_release(&p.members);
    mq_vec_release(&p.sites);
    return rc;
}

static void add_turn(mq_turn *list, size_t *n, mq_turn t)
{
    size_t i = 0;

    while (i < *n && !mq_turn_same(&list[i], &t))
        i++;
    if (i == *n && *n < MAX_TURNS && !mq_turn_none(&t))
        list[(*n)++] = t;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_turn turns[MAX_TURNS], t;
    size_t n_turns = 0;
    mq_status rc = MQ_OK;

    (void)ctx;
    for (const mq_node *n = g->first; n; n = n->next)
        if (mq_turn_read(n, &t)) {
            add_turn(turns, &n_turns, t);
            add_turn(turns, &n_turns, mq_turn_back(&t));
        }
    for (size_t i = 0; i < n_turns && rc == MQ_OK; i++)
        rc = try_turn(g, &turns[i], n_changed, err);
    return rc;
}

const mq_pass mq_pass_move_transposes = {
    .name = "move-transposes", .summary = "turn what stands between Transposes instead of its inputs and outputs", .run = run
};
