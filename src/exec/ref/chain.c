/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq::ElementwiseChain: several element-wise operators in one walk over memory. The result is cut into blocks that stay in
 * the first cache; all steps of the program (ops/chain.h) run over one block before the next. Programs are taken as they
 * come: everything is checked before anything runs. Sizes are those at hand: outputs that turn out to have different
 * shapes are made one walk after the other. */
#include <string.h>

#include "base/bits.h"
#include "exec/ref/chain_lanes.h"
#include "exec/ref/families.h"
#include "exec/ref/util.h"
#include "ops/ops.h"

#define REGISTERS (MQ_CHAIN_INPUTS + MQ_CHAIN_STEPS)
#define BLOCK_BYTES 4096

/* ---- the program --------------------------------------------------------------------------------------------------- */

typedef struct instruction {
    mq_chain_step step;
    int args[3]; /* registers, -1: absent */
    float param[2];
    mq_chain_leaf leaf;
} instruction;

typedef struct chain {
    mq_call *c;
    int n_in, n; /* registers that are inputs; instructions */
    mq_dtype type;
    instruction code[MQ_CHAIN_STEPS];
    mq_array regs[REGISTERS]; /* types and shapes */
    int results[MQ_CHAIN_OUTPUTS];
} chain;

static int operands_of(mq_chain_step step)
{
    return step < MQ_CHAIN_ADD ? 1 : step < MQ_CHAIN_CLIP ? 2 : 3;
}

static bool is_comparison(mq_chain_step step)
{
    return step >= MQ_CHAIN_EQUAL && step <= MQ_CHAIN_LESS_OR_EQUAL;
}

static mq_status bad_program(const chain *ch, int step)
{
    return mq_call_fail(ch->c, "step %d of the program cannot be", step);
}

/* The elements' type: that of the first input that is no condition. */
static mq_status read_inputs(chain *ch)
{
    const mq_call *c = ch->c;

    for (int i = 0; i < ch->n_in; i++) {
        const mq_dtype t = c->in[i]->dtype;

        if (t != MQ_BOOL && ch->type == MQ_UNDEFINED)
            ch->type = t;
        if (t != MQ_BOOL && t != ch->type)
            return mq_call_fail(ch->c, "the inputs are %s and %s, they must be the same", mq_dtype_name(ch->type),
                                mq_dtype_name(t));
        ch->regs[i] = *c->in[i];
    }
    return ch->type == MQ_FLOAT || ch->type == MQ_DOUBLE ? MQ_OK : mq_call_bad_type(ch->c, ch->type);
}

static mq_status read_step(chain *ch, int i, const int64_t *words)
{
    instruction *it = &ch->code[i];

    if (words[0] < 0 || words[0] >= MQ_CHAIN_KINDS)
        return bad_program(ch, i);
    it->step = (mq_chain_step)words[0];
    if (!(it->leaf = mq_chain_leaf_of(it->step, ch->type)))
        return mq_call_bad_type(ch->c, ch->type);
    for (int k = 0; k < 3; k++) {
        const bool bound = it->step == MQ_CHAIN_CLIP && k > 0;
        const mq_dtype type = it->step == MQ_CHAIN_WHERE && k == 0 ? MQ_BOOL : ch->type;
        const int64_t before = bound ? ch->n_in : ch->n_in + i; /* bounds stand in no block */

        it->args[k] = -1;
        if (k >= operands_of(it->step) || (bound && words[1 + k] == -1))
            continue;
        if (words[1 + k] < 0 || words[1 + k] >= before || ch->regs[words[1 + k]].dtype != type)
            return bad_program(ch, i);
        it->args[k] = (int)words[1 + k];
    }
    it->param[0] = mq_bits_float((uint32_t)words[4]);
    it->param[1] = mq_bits_float((uint32_t)words[5]);
    ch->regs[ch->n_in + i].dtype = is_comparison(it->step) ? MQ_BOOL : ch->type;
    return MQ_OK;
}

static mq_status read_results(chain *ch)
{
    size_t n;
    const int64_t *list = mq_node_attr_ints(ch->c->node, "results", &n);

    if (n != ch->c->n_out || n < 1 || n > MQ_CHAIN_OUTPUTS)
        return mq_call_fail(ch->c, "%zu results are told for %zu outputs", n, ch->c->n_out);
    for (size_t i = 0; i < n; i++) {
        if (list[i] < ch->n_in || list[i] >= ch->n_in + ch->n)
            return mq_call_fail(ch->c, "result %zu is made by no step", i);
        ch->results[i] = (int)list[i];
        for (size_t k = 0; k < i; k++)
            if (list[k] == list[i])
                return mq_call_fail(ch->c, "a step makes two results");
    }
    return MQ_OK;
}

static mq_status read_program(chain *ch)
{
    size_t n;
    const int64_t *words = mq_node_attr_ints(ch->c->node, "program", &n);
    mq_status rc = MQ_OK;

    if (ch->c->n_in > MQ_CHAIN_INPUTS || n == 0 || n % MQ_CHAIN_WORDS || n / MQ_CHAIN_WORDS > MQ_CHAIN_STEPS)
        return mq_call_fail(ch->c, "a program of %zu numbers for %zu inputs cannot be", n, ch->c->n_in);
    MQ_TRY(mq_call_need(ch->c, ch->c->n_in));
    ch->n_in = (int)ch->c->n_in;
    ch->n = 0;
    ch->type = MQ_UNDEFINED;
    MQ_TRY(read_inputs(ch));
    for (; ch->n < (int)(n / MQ_CHAIN_WORDS); ch->n++)
        MQ_TRY(read_step(ch, ch->n, words + ch->n * MQ_CHAIN_WORDS));
    MQ_TRY(read_results(ch));
done:
    return rc;
}

/* ---- shapes -------------------------------------------------------------------------------------------------------- */

static void set_shape(mq_array *a, int rank, const int64_t *dims, size_t count)
{
    a->rank = rank;
    memcpy(a->dims, dims, (size_t)rank * sizeof *dims);
    a->count = count;
}

static bool same_shape(const mq_array *a, const mq_array *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

static mq_status find_shape(chain *ch, int i)
{
    const instruction *it = &ch->code[i];
    const bool clips = it->step == MQ_CHAIN_CLIP;
    const int n = clips ? 1 : operands_of(it->step);
    const mq_array *in[3] = { &ch->regs[it->args[0]] };
    mq_array *to = &ch->regs[ch->n_in + i];
    bool same = true;
    mq_bcast b;
    mq_status rc;

    for (int k = 1; clips && k < 3; k++)
        if (it->args[k] >= 0 && ch->regs[it->args[k]].count != 1)
            return mq_call_fail(ch->c, "a bound has %zu elements, it must be one number", ch->regs[it->args[k]].count);
    for (int k = 1; k < n; k++) {
        in[k] = &ch->regs[it->args[k]];
        same &= in[k]->rank == 0 || same_shape(in[0], in[k]);
    }
    set_shape(to, in[0]->rank, in[0]->dims, in[0]->count);
    if (same)
        return MQ_OK;
    if ((rc = mq_call_broadcast(ch->c, (size_t)n, in, &b)) != MQ_OK)
        return rc;
    if (it->step == MQ_CHAIN_PRELU && (b.out_rank != in[0]->rank || b.count != (int64_t)in[0]->count))
        return mq_call_fail(ch->c, "the slopes cannot be stretched to the shape of the data");
    set_shape(to, b.out_rank, b.out_dims, (size_t)b.count);
    return MQ_OK;
}

/* How an operand is walked as the result is: axes that go together are one. The last stride is 0 or 1. */
typedef struct view {
    int rank;
    int64_t dims[MQ_MAX_RANK], strides[MQ_MAX_RANK];
} view;

static void view_as(view *v, const mq_array *a, const mq_array *result)
{
    int64_t strides[MQ_MAX_RANK];

    mq_strides(a->rank, a->dims, strides);
    v->rank = 0;
    for (int i = 0; i < result->rank; i++) {
        const int at = i - (result->rank - a->rank);
        const int64_t dim = result->dims[i], stride = at < 0 || a->dims[at] == 1 ? 0 : strides[at];

        if (dim == 1)
            continue;
        if (v->rank > 0 && v->strides[v->rank - 1] == stride * dim)
            v->dims[v->rank - 1] *= dim;
        else
            v->dims[v->rank++] = dim;
        v->strides[v->rank - 1] = stride;
    }
    if (v->rank == 0) {
        v->dims[0] = 1;
        v->strides[v->rank++] = 0;
    }
}

/* ---- operands of a block ------------------------------------------------------------------------------------------- */

static size_t size_of(mq_dtype type)
{
    return (size_t)mq_dtype_bits(type) / 8;
}

/* Elements of 1, 4 or 8 bytes, as memory has them when a chain may run. */
static void splat(void *to, const void *from, int64_t n, size_t size)
{
    if (size == 4) {
        const uint32_t x = *(const uint32_t *)from;
        for (int64_t i = 0; i < n; i++)
            ((uint32_t *)to)[i] = x;
    } else if (size == 8) {
        const uint64_t x = *(const uint64_t *)from;
        for (int64_t i = 0; i < n; i++)
            ((uint64_t *)to)[i] = x;
    } else {
        memset(to, *(const char *)from, (size_t)n);
    }
}

/* Elements [from, from + n) of one row that is repeated. */
static void fill_periodic(const view *v, const char *data, size_t size, int64_t from, int64_t n, char *to)
{
    const int64_t period = v->dims[1], at = from % period, first = period - at < n ? period - at : n;
    int64_t done = period < n ? period : n;

    memcpy(to, data + (size_t)at * size, (size_t)first * size);
    memcpy(to + (size_t)first * size, data, (size_t)(done - first) * size);
    for (; done < n; done *= 2)
        memcpy(to + (size_t)done * size, to, (size_t)(n - done < done ? n - done : done) * size);
}

/* Elements [from, from + n) of any view, row by row. */
static void fill(const view *v, const char *data, size_t size, int64_t from, int64_t n, char *to)
{
    const int last = v->rank - 1;
    const int64_t inner = v->dims[last];
    int64_t col = from % inner, row = from / inner, at[MQ_MAX_RANK], offset = 0;

    for (int d = last - 1; d >= 0; d--) {
        at[d] = row % v->dims[d];
        row /= v->dims[d];
        offset += at[d] * v->strides[d];
    }
    while (n > 0) {
        const int64_t k = inner - col < n ? inner - col : n;

        if (v->strides[last])
            memcpy(to, data + (size_t)(offset + col) * size, (size_t)k * size);
        else
            splat(to, data + (size_t)offset * size, k, size);
        to += (size_t)k * size;
        n -= k;
        col = 0;
        for (int d = last - 1; d >= 0; d--) {
            offset += v->strides[d];
            if (++at[d] < v->dims[d])
                break;
            offset -= v->strides[d] * v->dims[d];
            at[d] = 0;
        }
    }
}

/* ---- one walk ------------------------------------------------------------------------------------------------------ */

/* The making of all outputs of one shape. */
typedef struct walk {
    const chain *ch;
    const mq_array *result; /* their shape */
    uint64_t needed;        /* instructions */
    int last[REGISTERS];    /* the last needed instruction that reads it; -1: none */
    int slot[REGISTERS];    /* in scratch memory; -1: none */
    char *out[REGISTERS];   /* an output's memory, or NULL */
    int n_slots;
    int64_t block;          /* elements */
    size_t room;            /* bytes of a slot */
    view views[MQ_CHAIN_INPUTS];
} walk;

static bool is_needed(const walk *w, int instruction_index)
{
    return w->needed >> instruction_index & 1;
}

/* Marks what the outputs of w's shape need, and when it is read for the last time. */
static void find_needed(walk *w)
{
    const chain *ch = w->ch;

    w->needed = 0;
    for (int r = 0; r < ch->n_in + ch->n; r++) {
        w->last[r] = w->slot[r] = -1;
        w->out[r] = NULL;
    }
    for (size_t i = 0; i < ch->c->n_out; i++)
        if (same_shape(&ch->regs[ch->results[i]], w->result))
            w->needed |= (uint64_t)1 << (ch->results[i] - ch->n_in);
    for (int i = ch->n - 1; i >= 0; i--)
        for (int k = 0; is_needed(w, i) && k < 3; k++) {
            const int r = ch->code[i].args[k];

            if (r < 0)
                continue;
            w->last[r] = w->last[r] < 0 ? i : w->last[r];
            if (r >= ch->n_in)
                w->needed |= (uint64_t)1 << (r - ch->n_in);
        }
}

/* Input whose memory output `reg` may take: of its size, and nobody reads it after the output has been written. */
static int input_to_replace(const walk *w, int reg)
{
    const chain *ch = w->ch;
    const mq_array *const *in = ch->c->in;

    for (int j = 0; j < ch->n_in; j++) {
        bool free_then = in[j]->dtype == ch->regs[reg].dtype && in[j]->count == ch->regs[reg].count;

        for (int k = 0; k < ch->n_in && free_then; k++) {
            free_then = in[k]->data != in[j]->data || w->last[k] <= reg - ch->n_in;
            for (size_t o = 0; o < ch->c->n_out && free_then; o++)
                free_then = !ch->c->out[o] || ch->c->out[o]->data != in[k]->data;
        }
        if (free_then)
            return j;
    }
    return -1;
}

/* `alone`: no other walk needs the inputs afterwards. */
static mq_status make_outputs(walk *w, bool alone)
{
    const chain *ch = w->ch;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < ch->c->n_out && rc == MQ_OK; i++) {
        const int reg = ch->results[i], over = alone ? input_to_replace(w, reg) : -1;
        const mq_array *a = &ch->regs[reg];
        void *data = NULL;

        if (!same_shape(a, w->result))
            continue;
        rc = over >= 0 ? mq_call_out_over(ch->c, i, (size_t)over, a->dtype, a->rank, a->dims, &data)
                       : mq_call_out(ch->c, i, a->dtype, a->rank, a->dims, &data);
        w->out[reg] = data;
    }
    return rc;
}

/* May the slot that holds register r take `reg` too, which instruction i makes? An operand may be written over while it is
 * read when its elements have the same size. */
static bool slot_is_free(const walk *w, int r, int reg, int i)
{
    const mq_array *regs = w->ch->regs;

    return r >= w->ch->n_in && (w->last[r] < i || (w->last[r] == i && regs[r].dtype == regs[reg].dtype));
}

/* Scratch memory: for inputs that may have to be stretched, and for results that are no outputs. */
static void give_slots(walk *w)
{
    const chain *ch = w->ch;
    int holds[REGISTERS];

    w->n_slots = 0;
    for (int j = 0; j < ch->n_in; j++)
        if (w->last[j] >= 0 && w->views[j].rank > 1) {
            holds[w->n_slots] = j;
            w->slot[j] = w->n_slots++;
        }
    for (int i = 0; i < ch->n; i++) {
        const int reg = ch->n_in + i;
        int s = 0;

        if (!is_needed(w, i) || w->out[reg])
            continue;
        while (s < w->n_slots && !slot_is_free(w, holds[s], reg, i))
            s++;
        holds[s] = reg;
        w->slot[reg] = s;
        w->n_slots = s < w->n_slots ? w->n_slots : s + 1;
    }
}

/* Where a block's operands are. */
typedef struct block {
    const walk *w;
    char *scratch;
    int64_t phase[MQ_CHAIN_INPUTS]; /* of the row in scratch memory that is repeated; -1: none is there */
    const char *at[REGISTERS];
    int64_t step[REGISTERS];
} block;

static void find_input(block *b, int j, int64_t from, int64_t n)
{
    const view *v = &b->w->views[j];
    const mq_array *a = b->w->ch->c->in[j];
    const size_t size = size_of(a->dtype);
    const int64_t inner = v->dims[v->rank - 1], col = from % inner;
    char *to;

    b->step[j] = v->strides[v->rank - 1];
    if (v->rank == 1) {
        b->at[j] = (const char *)a->data + (size_t)(from * b->step[j]) * size;
        return;
    }
    if (col + n <= inner) {
        const int64_t row = mq_offset_at(v->rank - 1, v->dims, v->strides, from / inner);

        b->at[j] = (const char *)a->data + (size_t)(row + col * b->step[j]) * size;
        return;
    }
    b->at[j] = to = b->scratch + (size_t)b->w->slot[j] * b->w->room;
    if (v->rank > 2 || v->strides[0] != 0) {
        fill(v, a->data, size, from, n, to);
    } else if (b->phase[j] != col) { /* the block before may have filled it so; only the last one is shorter */
        fill_periodic(v, a->data, size, from, n, to);
        b->phase[j] = col;
    }
    b->step[j] = 1;
}

static void run_instruction(block *b, int i, int64_t from, int64_t n)
{
    const chain *ch = b->w->ch;
    const instruction *it = &ch->code[i];
    const int reg = ch->n_in + i;
    char *to = b->w->out[reg] ? b->w->out[reg] + (size_t)from * size_of(ch->regs[reg].dtype)
                              : b->scratch + (size_t)b->w->slot[reg] * b->w->room;
    const void *in[3];
    int64_t step[3];

    for (int k = 0; k < 3; k++) {
        in[k] = it->args[k] < 0 ? NULL : b->at[it->args[k]];
        step[k] = it->args[k] < 0 ? 0 : b->step[it->args[k]];
    }
    if (!step[0] && in[0] != to && (operands_of(it->step) == 1 || it->step == MQ_CHAIN_CLIP)) {
        splat(to, in[0], n, size_of(ch->type));
        in[0] = to;
    }
    it->leaf(n, in, step, to, it->param);
    b->at[reg] = to;
    b->step[reg] = 1;
}

/* Elements [from, to). */
static void run_piece(const walk *w, int64_t from, int64_t to, char *scratch)
{
    const chain *ch = w->ch;
    block b;

    b.w = w;
    b.scratch = scratch;
    for (int j = 0; j < ch->n_in; j++)
        b.phase[j] = -1;
    while (from < to) {
        const int64_t n = w->block < to - from ? w->block : to - from;

        for (int j = 0; j < ch->n_in; j++)
            if (w->last[j] >= 0)
                find_input(&b, j, from, n);
        for (int i = 0; i < ch->n; i++)
            if (is_needed(w, i))
                run_instruction(&b, i, from, n);
        from += n;
    }
}

static mq_status run_walk(walk *w)
{
    const int64_t count = (int64_t)w->result->count, blocks = (count + w->block - 1) / w->block;
    const int threads = mq_call_threads(w->ch->c, count < INT64_MAX / 64 ? count * __builtin_popcountll(w->needed) : count);
    const int pieces = threads < blocks ? threads : (int)blocks;
    const size_t each = (size_t)w->n_slots * w->room;
    char *scratch = NULL;

    if (count == 0)
        return MQ_OK;
    if (each && !(scratch = mq_call_scratch(w->ch->c, (size_t)pieces * each)))
        return MQ_ERR_NOMEM;
#pragma omp parallel for num_threads(pieces) schedule(static, 1) if (pieces > 1)
    for (int k = 0; k < pieces; k++) {
        const int64_t from = blocks * k / pieces * w->block, to = blocks * (k + 1) / pieces * w->block;

        run_piece(w, from, to < count ? to : count, scratch ? scratch + (size_t)k * each : NULL);
    }
    return MQ_OK;
}

static mq_status make_shape(const chain *ch, const mq_array *result, bool alone)
{
    walk w; /* large: only what is used is filled */
    mq_status rc;

    w.ch = ch;
    w.result = result;
    w.block = (int64_t)(BLOCK_BYTES / size_of(ch->type));
    w.block = result->count < (size_t)w.block ? (int64_t)result->count + (result->count == 0) : w.block;
    w.room = ((size_t)w.block * size_of(ch->type) + 63) / 64 * 64;
    find_needed(&w);
    for (int j = 0; j < ch->n_in; j++)
        if (w.last[j] >= 0)
            view_as(&w.views[j], &ch->regs[j], result);
    MQ_TRY(make_outputs(&w, alone));
    give_slots(&w);
    MQ_TRY(run_walk(&w));
done:
    return rc;
}

static mq_status op_chain(mq_call *c)
{
    chain ch; /* large: only what is used is filled */
    bool alone = true;
    mq_status rc;

    ch.c = c;
    MQ_TRY(read_program(&ch));
    for (int i = 0; i < ch.n; i++)
        MQ_TRY(find_shape(&ch, i));
    for (size_t i = 1; i < c->n_out; i++)
        alone &= same_shape(&ch.regs[ch.results[0]], &ch.regs[ch.results[i]]);
    for (size_t i = 0; i < c->n_out; i++) {
        bool first = true;

        for (size_t k = 0; k < i; k++)
            first &= !same_shape(&ch.regs[ch.results[k]], &ch.regs[ch.results[i]]);
        if (first)
            MQ_TRY(make_shape(&ch, &ch.regs[ch.results[i]], alone));
    }
done:
    return rc;
}

const mq_kernel mq_kernels_chain[] = {
    { MQ_CHAIN_DOMAIN, MQ_CHAIN_OP, op_chain, 0 },
    { 0 },
};
