/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* move-qdq: what only moves or compares elements runs on the integers.
 *   DequantizeLinear -> op    =>  op -> DequantizeLinear     (one scale; several inputs: the same scale and zero
 *       point)
 *   op -> QuantizeLinear      =>  QuantizeLinear -> op       (nobody else reads what op takes and gives)
 *   DequantizeLinear -> QuantizeLinear with the same parameters  =>  nothing
 * Relu and Clip behind DequantizeLinear become bounds on the integers. Pairs of QuantizeLinear -> DequantizeLinear
 * stay: they round.
 * cancel-qdq, for files, does of that what surely leaves fewer nodes, and with operators that every runtime has for bytes:
 *   DequantizeLinear -> what moves bytes -> QuantizeLinear with the same parameters, nobody else reading  =>  the middle
 *   DequantizeLinear -> QuantizeLinear with the same parameters  =>  nothing
 * Numerics: exact. Scales are positive, so the order of elements stays, and a dequantized integer quantizes to
 * itself. */
#include <math.h>
#include <string.h>

#include "base/compiler.h"
#include "ops/ops.h"
#include "passes/qdq.h"

#define ALL SIZE_MAX
#define MOVES_BYTES 13 /* opset from which the operators below are there for bytes */
#define MAX_READERS 200
#define CLIP_INPUTS 3

typedef struct mover {
    const char *op;
    size_t first, last; /* the inputs that are data */
} mover;

static const mover movers[] = {
    { "Concat", 0, ALL }, { "DepthToSpace", 0, 0 }, { "Expand", 0, 0 }, { "Flatten", 0, 0 }, { "Gather", 0, 0 },
    { "GatherElements", 0, 0 }, { "GatherND", 0, 0 }, { "Identity", 0, 0 }, { "Max", 0, ALL },
    { "MaxPool", 0, 0 }, { "Min", 0, ALL }, { "Pad", 0, 0 }, { "ReduceMax", 0, 0 }, { "ReduceMin", 0, 0 },
    { "Reshape", 0, 0 }, { "Resize", 0, 0 }, { "Slice", 0, 0 }, { "SpaceToDepth", 0, 0 }, { "Split", 0, 0 },
    { "Squeeze", 0, 0 }, { "Tile", 0, 0 }, { "Transpose", 0, 0 }, { "Unsqueeze", 0, 0 }, { "Where", 1, 2 },
};

static bool mode_is(const mq_node *n, const char *mode, bool when_absent)
{
    return mq_node_attr(n, "mode") ? mq_node_attr_is(n, "mode", mode) : when_absent;
}

/* NULL: it computes, or gives something else beside what it moves. */
static const mover *find_mover(const mq_node *n)
{
    if (*mq_domain_norm(n->domain) || n->n_inputs < 1 || n->n_outputs < 1)
        return NULL;
    if (n->n_outputs > 1 && strcmp(n->op_type, "Split") != 0)
        return NULL;
    if (mq_node_is(n, "", "Resize") &&
        (!mode_is(n, "nearest", true) || mq_node_attr_is(n, "coordinate_transformation_mode", "tf_crop_and_resize")))
        return NULL;
    for (size_t i = 0; i < sizeof movers / sizeof *movers; i++)
        if (strcmp(n->op_type, movers[i].op) == 0)
            return &movers[i];
    return NULL;
}

static bool takes_type(const mq_node *n, size_t input, mq_dtype dtype)
{
    const mq_op_schema *s = mq_node_schema(n);
    const mq_op_param *p = s ? mq_schema_input(s, input) : NULL;

    return p && (p->types >> dtype & 1);
}

static bool pads_with_constant(const mq_node *n)
{
    return mq_node_is(n, "", "Pad") && mode_is(n, "constant", true);
}

/* Is x exactly what one of the integers stands for? */
static bool is_code(const mq_qdq *q, double x)
{
    return (double)((float)(mq_qdq_code(q, x) - q->z) * q->s) == x;
}

/* The integer that Pad puts in; false: it is not known (or, when it must be exact, no integer stands for it). */
static bool pad_code(const mq_node *n, const mq_qdq *q, bool exact, int64_t *code)
{
    double x = 0;

    if (n->n_inputs > 2 && n->inputs[2] && !mq_constant_number(n->inputs[2], &x))
        return false;
    *code = mq_qdq_code(q, x);
    return !exact || is_code(q, x);
}

static mq_type *type_with(mq_model *m, const mq_type *t, mq_dtype dtype)
{
    return t && t->kind == MQ_TYPE_TENSOR ? mq_type_create(m, MQ_TYPE_TENSOR, dtype, t->rank, t->dims) : NULL;
}

/* A new DequantizeLinear before `at` that makes v from codes; v has no producer. */
static mq_status dequantize_into(mq_node *at, const mq_qdq *q, mq_value *codes, mq_value *v, mq_error *err)
{
    mq_value *const in[] = { codes, q->scale, q->zero };
    mq_node *dq;
    mq_status rc = mq_pass_insert(at, q->node->domain, "DequantizeLinear", NULL, in, 3, &dq, err);

    return rc == MQ_OK ? mq_node_set_output(dq, 0, v, err) : rc;
}

/* ---- DequantizeLinear goes behind ---------------------------------------------------------------------------------- */

/* Every data input comes from a DequantizeLinear of the same parameters; *q is the first one. */
static bool all_dequantized(const mq_node *n, const mover *m, mq_qdq *q)
{
    if (n->n_inputs <= m->first)
        return false;
    for (size_t i = m->first; i < n->n_inputs && (m->last == ALL || i <= m->last); i++) {
        mq_qdq other;

        if (!mq_qdq_made(n->inputs[i], &other) || !other.one || !takes_type(n, i, other.dtype))
            return false;
        if (i == m->first)
            *q = other;
        else if (!mq_qdq_equal(q, &other))
            return false;
    }
    return true;
}

/* n again, with its data inputs as codes. Outputs are left to the caller. */
static mq_status insert_on_codes(mq_node *n, const mover *m, mq_node **out, mq_error *err)
{
    mq_status rc = mq_pass_insert(n, n->domain, n->op_type, n, n->inputs, n->n_inputs, out, err);

    for (size_t i = m->first; i < n->n_inputs && (m->last == ALL || i <= m->last) && rc == MQ_OK; i++)
        rc = mq_node_set_input(*out, i, n->inputs[i]->producer->inputs[0], err);
    return rc;
}

static mq_status set_pad(mq_node *n, const mq_qdq *q, int64_t code, mq_error *err)
{
    mq_value *v;
    mq_status rc = mq_qdq_constant(n->graph, q, code, &v, err);

    if (rc == MQ_OK && n->n_inputs < 2)
        rc = mq_node_set_input(n, 1, NULL, err);
    return rc == MQ_OK ? mq_node_set_input(n, 2, v, err) : rc;
}

static mq_status move_behind(mq_node *n, const mover *m, const mq_qdq *q, int64_t pad, mq_error *err)
{
    mq_node *moved;
    mq_status rc = MQ_OK;

    MQ_TRY(insert_on_codes(n, m, &moved, err));
    if (pads_with_constant(n))
        MQ_TRY(set_pad(moved, q, pad, err));
    for (size_t i = 0; i < n->n_outputs; i++) {
        mq_value *v = n->outputs[i], *codes;

        if (!v)
            continue;
        if (!(codes = mq_value_create_unique(n->graph, v->name)))
            return mq_oom(err);
        codes->type = type_with(n->graph->model, v->type, q->dtype);
        MQ_TRY(mq_node_set_output(n, i, NULL, err));
        MQ_TRY(mq_node_set_output(moved, i, codes, err));
        MQ_TRY(dequantize_into(n, q, codes, v, err));
    }
    mq_pass_drop(n);
done:
    return rc;
}

/* ---- bounds -------------------------------------------------------------------------------------------------------- */

/* A bound of Relu or Clip as an integer; *needed false: no integer is cut by it. False: no integer stands for it. */
static bool bound_code(const mq_qdq *q, double x, bool upper, int64_t *code, bool *needed)
{
    int64_t low, high;

    mq_qdq_range(q->dtype, &low, &high);
    *code = mq_qdq_code(q, x);
    *needed = upper ? x < (double)((float)(high - q->z) * q->s) : x > (double)((float)(low - q->z) * q->s);
    return !*needed || is_code(q, x);
}

static bool read_bounds(const mq_node *n, double *low, double *high)
{
    *low = mq_node_is(n, "", "Relu") ? 0 : -INFINITY;
    *high = INFINITY;
    if (mq_node_is(n, "", "Relu"))
        return n->n_inputs == 1;
    if (!mq_node_is(n, "", "Clip") || n->n_inputs < 1)
        return false;
    return (n->n_inputs < 2 || !n->inputs[1] || mq_constant_number(n->inputs[1], low)) &&
           (n->n_inputs < 3 || !n->inputs[2] || mq_constant_number(n->inputs[2], high)) && *low <= *high;
}

static mq_status bound_codes(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_value *in[CLIP_INPUTS] = { NULL }, *v, *codes;
    double bound[2];
    int64_t code[2];
    bool needed[2], done;
    mq_status rc = MQ_OK;
    mq_node *clip;
    mq_qdq q;

    if (!read_bounds(n, &bound[0], &bound[1]) || !mq_qdq_made(n->inputs[0], &q) || !mq_qdq_is_i8(&q) ||
        !bound_code(&q, bound[0], false, &code[0], &needed[0]) || !bound_code(&q, bound[1], true, &code[1], &needed[1]))
        return MQ_OK;
    v = n->outputs[0];
    if (!needed[0] && !needed[1]) {
        if ((rc = mq_value_bypass(v, q.real, &done, err)) == MQ_OK && done) {
            mq_pass_drop(n);
            ++*n_changed;
        }
        return rc;
    }
    in[0] = q.codes;
    for (size_t i = 0; i < 2; i++)
        if (needed[i])
            MQ_TRY(mq_qdq_constant(n->graph, &q, code[i], &in[i + 1], err));
    MQ_TRY(mq_pass_insert(n, "", "Clip", NULL, in, CLIP_INPUTS, &clip, err));
    MQ_TRY(mq_pass_give_output(clip, v, &codes, err));
    codes->type = type_with(n->graph->model, v->type, q.dtype);
    MQ_TRY(mq_node_set_output(n, 0, NULL, err));
    MQ_TRY(dequantize_into(n, &q, codes, v, err));
    mq_pass_drop(n);
    ++*n_changed;
done:
    return rc;
}

/* ---- what looks at elements ---------------------------------------------------------------------------------------- */

/* Shapes and places of extremes are those of the integers. */
static mq_status look_at_codes(mq_node *n, size_t *n_changed, mq_error *err)
{
    static const char *const ops[] = { "ArgMax", "ArgMin", "Shape", "Size" };
    mq_status rc = MQ_OK;
    mq_qdq q;

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!mq_node_is(n, "", ops[i]) || !mq_qdq_made(n->inputs[0], &q) || !takes_type(n, 0, q.dtype))
            continue;
        if (strncmp(ops[i], "Arg", 3) == 0 && !q.one)
            continue;
        if ((rc = mq_node_set_input(n, 0, q.codes, err)) == MQ_OK)
            ++*n_changed;
        mq_pass_drop(q.node);
        break;
    }
    return rc;
}

/* ---- QuantizeLinear goes before ------------------------------------------------------------------------------------ */

/* The node before q that can run on integers, when nobody else needs the floats that it takes and gives. */
static mq_node *moves_before(const mq_qdq *q, int64_t *pad)
{
    mq_node *n = q->real->producer, *maker;
    const mover *m = n && mq_only_reader(q->real) && n->graph == q->node->graph ? find_mover(n) : NULL;

    if (!m || m->first != 0 || m->last != 0 || n->n_outputs != 1 || !takes_type(n, 0, q->dtype) ||
        mq_value_dtype(n->inputs[0]) != MQ_FLOAT || !mq_only_reader(n->inputs[0]))
        return NULL;
    maker = n->inputs[0]->producer;
    if (!maker || maker->graph != n->graph || strcmp(maker->op_type, "DequantizeLinear") == 0)
        return NULL;
    return pads_with_constant(n) && !pad_code(n, q, false, pad) ? NULL : n;
}

/* *made: the new QuantizeLinear, which may go on; NULL when nothing was changed. */
static mq_status move_before(mq_node *node, mq_node **made, mq_error *err)
{
    mq_value *codes;
    int64_t pad = 0;
    mq_node *n, *moved;
    mq_status rc = MQ_OK;
    mq_qdq q;

    *made = NULL;
    if (!mq_qdq_quantize(node, &q) || !q.one || !(n = moves_before(&q, &pad)))
        return MQ_OK;
    MQ_TRY(mq_pass_insert(n, node->domain, "QuantizeLinear", node, node->inputs, node->n_inputs, made, err));
    MQ_TRY(mq_node_set_input(*made, 0, n->inputs[0], err));
    MQ_TRY(mq_pass_give_output(*made, n->inputs[0], &codes, err));
    codes->type = type_with(n->graph->model, n->inputs[0]->type, q.dtype);
    MQ_TRY(mq_pass_insert(node, n->domain, n->op_type, n, n->inputs, n->n_inputs, &moved, err));
    MQ_TRY(mq_node_set_input(moved, 0, codes, err));
    if (pads_with_constant(n))
        MQ_TRY(set_pad(moved, &q, pad, err));
    MQ_TRY(mq_pass_take_over(moved, node, err));
done:
    return rc;
}

/* ---- pairs that do nothing ----------------------------------------------------------------------------------------- */

static mq_status collapse(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_qdq q, dq;
    mq_node *same;
    mq_status rc;
    bool done;

    if (!mq_qdq_quantize(n, &q) || !mq_qdq_made(q.real, &dq) || !mq_qdq_equal(&q, &dq))
        return MQ_OK;
    rc = mq_value_bypass(q.codes, dq.codes, &done, err);
    if (rc == MQ_OK && done)
        mq_pass_drop(n);
    else if (rc == MQ_OK && (rc = mq_pass_insert(n, "", "Identity", NULL, &dq.codes, 1, &same, err)) == MQ_OK)
        rc = mq_pass_take_over(same, n, err);
    ++*n_changed;
    return rc;
}

/* ---- the pass ------------------------------------------------------------------------------------------------------ */

static mq_status forwards(mq_node *n, size_t *n_changed, mq_error *err)
{
    const mover *m = find_mover(n);
    int64_t pad = 0;
    mq_status rc;
    mq_qdq q;

    if (!n->n_inputs || !n->inputs[0] || !n->n_outputs || !n->outputs[0])
        return MQ_OK;
    if (m && all_dequantized(n, m, &q) && (!pads_with_constant(n) || pad_code(n, &q, true, &pad))) {
        ++*n_changed;
        return move_behind(n, m, &q, pad, err);
    }
    if (m)
        return MQ_OK;
    if ((rc = bound_codes(n, n_changed, err)) == MQ_OK && n->graph)
        rc = look_at_codes(n, n_changed, err);
    return rc == MQ_OK && n->graph ? collapse(n, n_changed, err) : rc;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;

    (void)ctx;
    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        next = n->next;
        rc = forwards(n, n_changed, err);
    }
    for (mq_node *n = g->last, *prev; n && rc == MQ_OK; n = prev) {
        mq_node *made = NULL;

        prev = n->prev;
        rc = move_before(n, &made, err);
        if (made) {
            ++*n_changed;
            prev = made;
        }
    }
    return rc;
}

const mq_pass mq_pass_move_qdq = {
    .name = "move-qdq", .summary = "run what only moves elements on the integers of quantized tensors", .run = run
};

/* ---- for files ----------------------------------------------------------------------------------------------------- */

/* Does every runtime that knows the operator's types have it for bytes? */
static const mover *moves_bytes(const mq_node *n)
{
    static const char *const ops[] = { "Concat", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity",
                                       "MaxPool", "Pad", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose",
                                       "Unsqueeze" };

    return mq_opset_of(n->graph, "") >= MOVES_BYTES && mq_node_is_any(n, "", ops, MQ_ARRAY_LEN(ops)) ? find_mover(n) : NULL;
}

/* Do all who read v make the codes of q of it again, some behind operators that move? *effort: readers to look at. */
static bool comes_back(const mq_value *v, const mq_qdq *q, int *effort)
{
    if (v->n_output_uses || v->uses.n == 0)
        return false;
    for (size_t i = 0; i < v->uses.n; i++) {
        mq_node *n = v->uses.items[i].node;
        const mover *m;
        mq_qdq other;
        int64_t pad;

        if (n->graph != v->graph || v->uses.items[i].index != 0 || --*effort < 0)
            return false;
        if (mq_qdq_quantize(n, &other) && mq_qdq_equal(q, &other))
            continue;
        if (!(m = moves_bytes(n)) || m->last == ALL || !takes_type(n, 0, q->dtype) ||
            (pads_with_constant(n) && !pad_code(n, q, true, &pad)))
            return false;
        for (size_t k = 0; k < n->n_outputs; k++)
            if (n->outputs[k] && !comes_back(n->outputs[k], q, effort))
                return false;
    }
    return true;
}

/* The first of what moves between; those behind it follow as the walk comes to them. */
static bool can_cancel(const mq_node *n, mq_qdq *q, int64_t *pad)
{
    const mover *m = n->n_inputs && n->inputs[0] ? moves_bytes(n) : NULL;
    int effort = MAX_READERS;

    if (!m || !all_dequantized(n, m, q) || !mq_qdq_is_i8(q) || (pads_with_constant(n) && !pad_code(n, q, true, pad)))
        return false;
    for (size_t i = 0; i < (m->last == ALL ? n->n_inputs : 1); i++)
        if (!mq_only_reader(n->inputs[i]) || n->inputs[i]->graph != n->graph)
            return false;
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] && !comes_back(n->outputs[i], q, &effort))
            return false;
    return true;
}

static mq_status run_cancel(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;

    (void)ctx;
    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        int64_t pad = 0;
        mq_qdq q;

        next = n->next;
        if (can_cancel(n, &q, &pad)) {
            rc = move_behind(n, find_mover(n), &q, pad, err);
            ++*n_changed;
        } else {
            rc = collapse(n, n_changed, err);
        }
    }
    return rc;
}

const mq_pass mq_pass_cancel_qdq = {
    .name = "cancel-qdq", .summary = "remove DequantizeLinear where the same integers are made again", .run = run_cancel
};
