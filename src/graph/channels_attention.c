/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Attention as one operator: each head is a channel, made of its columns in whatever is projected for it. Columns inside a
 * head stay (the scores are scaled by their number), and so does everything where a cache of past steps is read. */
#include <string.h>

#include "graph/channels_parts.h"

static const mq_value *input(const mq_node *n, size_t i)
{
    return i < n->n_inputs ? n->inputs[i] : NULL;
}

/* Part [from, from + width) of v's axis is cut into `heads` equal blocks: block i goes with head[i * stride]. */
static void join_blocks(mq_channels *c, const mq_value *v, int axis, uint32_t from, uint32_t width, uint32_t heads,
                        const uint32_t *head, uint32_t stride)
{
    const uint32_t block = width / heads;

    for (uint32_t i = 0; i < heads; i++)
        for (uint32_t k = 0; k < block; k++)
            mq_atoms_join(c, head[i * stride], mq_atoms_at(c, v, axis, from + i * block + k));
}

/* The same of a whole axis; false (and it stays) when it cannot be cut so. */
static bool join_axis(mq_channels *c, const mq_node *n, const mq_value *v, int axis, uint32_t heads, const uint32_t *head,
                      uint32_t stride)
{
    const uint32_t size = mq_atoms_size(c, v, axis);

    if (!size || size % heads) {
        mq_atoms_fix(c, v, axis, n, "cuts it into heads of unknown size");
        return false;
    }
    join_blocks(c, v, axis, 0, size, heads, head, stride);
    return true;
}

static void fix_inputs(mq_channels *c, const mq_node *n, size_t from, size_t to, const char *reason)
{
    for (size_t i = from; i < to; i++)
        if (input(n, i))
            mq_atoms_fix_value(c, n->inputs[i], n, reason);
}

static uint32_t head_count(const mq_node *n, const char *attr)
{
    const int64_t heads = mq_node_attr_int(n, attr, 0);

    return heads > 0 && heads <= 1 << 16 ? (uint32_t)heads : 0;
}

/* An atom of each head: its first column of the output. NULL: not known. */
static uint32_t *list_heads(mq_channels *c, const mq_node *n, const mq_value *y, int axis, uint32_t heads)
{
    const uint32_t size = mq_atoms_size(c, y, axis);
    uint32_t *head = heads ? mq_arena_alloc(c->arena, heads * sizeof *head) : NULL;

    if (!head || !size || size % heads) {
        mq_atoms_fix_node(c, n, "has heads of unknown number or size");
        return NULL;
    }
    for (uint32_t i = 0; i < heads; i++)
        head[i] = mq_atoms_at(c, y, axis, i * (size / heads));
    mq_atoms_flag(c, y, axis, MQ_ATOMS_HEADS);
    join_axis(c, n, y, axis, heads, head, 1);
    return head;
}

/* A bias of the scores, [samples, heads, steps, keys] or broadcast to it. */
static void link_mask(mq_channels *c, const mq_node *n, const mq_value *mask, uint32_t heads, const uint32_t *head)
{
    const int rank = mq_atoms_rank(c, mask);

    if (rank >= 3 && mq_atoms_size(c, mask, rank - 3) == heads)
        join_axis(c, n, mask, rank - 3, heads, head, 1);
}

/* What is asked for at each step is a mean over all steps of `keys`: none of them can go. */
static void fix_steps(mq_channels *c, const mq_node *n, const mq_value *keys, int axis, const mq_value *mask)
{
    mq_atoms_fix(c, keys, axis, n, "normalizes over its steps");
    if (mq_atoms_rank(c, mask) > 0)
        mq_atoms_fix(c, mask, mq_atoms_rank(c, mask) - 1, n, "normalizes over its steps");
}

/* Attention of com.microsoft: weights [inputs, columns of Q, K and V], their bias, qkv_hidden_sizes when they differ. */
static void attend_packed(mq_channels *c, const mq_node *n)
{
    const mq_value *x = n->inputs[0], *w = n->inputs[1], *bias = input(n, 2), *y = n->outputs[0];
    const uint32_t heads = head_count(n, "num_heads"), columns = mq_atoms_size(c, w, 1);
    const uint32_t *head;
    uint32_t from = 0;
    size_t count;
    const int64_t *sizes = mq_node_attr_ints(n, "qkv_hidden_sizes", &count);

    mq_atoms_bear(c, n, w, 1);
    if (mq_atoms_rank(c, x) != 3 || mq_atoms_rank(c, w) != 2 || !columns || (sizes ? count != 3 : columns % 3) ||
        input(n, 4) || n->n_outputs > 1) {
        mq_atoms_fix_node(c, n, "keeps a cache, or has inputs that are not all known");
        return;
    }
    if (!(head = list_heads(c, n, y, 2, heads)))
        return;
    mq_atoms_link(c, n, x, 0, y, 0);
    mq_atoms_link(c, n, x, 1, y, 1);
    mq_atoms_link(c, n, x, 2, w, 0);
    for (int part = 0; part < 3; part++) {
        const int64_t width = sizes ? sizes[part] : columns / 3;

        if (width <= 0 || width % heads || width > columns - from) {
            mq_atoms_fix_node(c, n, "has heads of unknown number or size");
            return;
        }
        join_blocks(c, w, 1, from, (uint32_t)width, heads, head, 1);
        if (bias)
            join_blocks(c, bias, 0, from, (uint32_t)width, heads, head, 1);
        from += (uint32_t)width;
    }
    link_mask(c, n, input(n, 5), heads, head);
    fix_steps(c, n, x, 1, input(n, 5));
}

/* MultiHeadAttention of com.microsoft: Q, K and V of rank 3, a bias of all their columns. */
static void attend_multi(mq_channels *c, const mq_node *n)
{
    const mq_value *bias = input(n, 3), *y = n->outputs[0];
    const uint32_t heads = head_count(n, "num_heads");
    const uint32_t *head;
    uint32_t from = 0;

    fix_inputs(c, n, 6, n->n_inputs, "keeps a cache");
    if (mq_atoms_rank(c, n->inputs[0]) != 3 || mq_atoms_rank(c, input(n, 1)) != 3 || mq_atoms_rank(c, input(n, 2)) != 3 ||
        n->n_outputs > 1 || input(n, 6)) {
        mq_atoms_fix_node(c, n, "keeps a cache, or has its inputs in one");
        return;
    }
    if (!(head = list_heads(c, n, y, 2, heads)))
        return;
    mq_atoms_link(c, n, n->inputs[0], 0, y, 0);
    mq_atoms_link(c, n, n->inputs[0], 1, y, 1);
    for (size_t i = 0; i < 3; i++) {
        const uint32_t size = mq_atoms_size(c, n->inputs[i], 2);

        if (!join_axis(c, n, n->inputs[i], 2, heads, head, 1)) {
            mq_atoms_fix_node(c, n, "has heads of unknown number or size");
            return;
        }
        if (bias && from + size <= mq_atoms_size(c, bias, 0))
            join_blocks(c, bias, 0, from, size, heads, head, 1);
        from += size;
    }
    link_mask(c, n, input(n, 5), heads, head);
    for (size_t i = 1; i < 3; i++)
        fix_steps(c, n, n->inputs[i], 1, input(n, 5));
}

/* Attention of ai.onnx: of rank 3 with counts of heads, or of rank 4 with an axis of them. Several heads of Q may read one
 * of K and V: they go together. */
static void attend(mq_channels *c, const mq_node *n)
{
    const mq_value *y = n->outputs[0];
    const int rank = mq_atoms_rank(c, n->inputs[0]), axis = rank == 4 ? 1 : 2;
    const uint32_t heads = rank == 4 ? mq_atoms_size(c, n->inputs[0], 1) : head_count(n, "q_num_heads");
    const uint32_t few = rank == 4 ? mq_atoms_size(c, input(n, 1), 1) : head_count(n, "kv_num_heads");
    const uint32_t *head;

    if (mq_atoms_rank(c, input(n, 1)) != rank || mq_atoms_rank(c, input(n, 2)) != rank || !few || heads % few ||
        input(n, 4) || n->n_outputs > 1 || (few != heads && input(n, 3))) {
        mq_atoms_fix_node(c, n, "keeps a cache, or has heads of unknown number");
        return;
    }
    if (!(head = list_heads(c, n, y, axis, heads)))
        return;
    mq_atoms_link(c, n, n->inputs[0], 0, y, 0);
    mq_atoms_link(c, n, n->inputs[0], rank - 2, y, rank - 2);
    join_axis(c, n, n->inputs[0], axis, heads, head, 1);
    for (uint32_t i = 0; i < heads; i++)
        mq_atoms_join(c, head[i], head[i / (heads / few) * (heads / few)]);
    for (size_t i = 1; i < 3; i++)
        join_axis(c, n, n->inputs[i], axis, few, head, heads / few);
    for (size_t i = 0; rank == 4 && i < 3; i++)
        mq_atoms_fix(c, n->inputs[i], 3, n, "is inside its heads");
    if (rank == 4)
        mq_atoms_fix(c, y, 3, n, "is inside its heads");
    link_mask(c, n, input(n, 3), heads, head);
    for (size_t i = 1; i < 3; i++)
        fix_steps(c, n, n->inputs[i], rank - 2, input(n, 3));
}

void mq_channels_attend(mq_channels *c, const mq_node *n)
{
    if (!*mq_domain_norm(n->domain))
        attend(c, n);
    else if (strcmp(n->op_type, "Attention") == 0)
        attend_packed(c, n);
    else
        attend_multi(c, n);
}

/* ---- after the cut -------------------------------------------------------------------------------------------------- */

/* A number that is proportional to the columns of an axis. */
static mq_status scale_attr(mq_node *n, const char *attr, uint32_t left, uint32_t size, mq_error *err)
{
    const int64_t was = mq_node_attr_int(n, attr, 0);

    return was > 0 && size ? mq_node_set_attr_int(n, attr, was * left / size, err) : MQ_OK;
}

mq_status mq_channels_reattend(mq_channels *c, mq_node *n, uint32_t left, mq_error *err)
{
    const uint32_t size = mq_atoms_size(c, n->outputs[0], mq_atoms_rank(c, n->outputs[0]) == 4 ? 1 : 2);
    static const char *const counts[] = { "num_heads", "q_num_heads", "kv_num_heads" };
    int64_t sizes[3];
    size_t count;
    const int64_t *list = mq_node_attr_ints(n, "qkv_hidden_sizes", &count);
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < sizeof counts / sizeof *counts && rc == MQ_OK; i++)
        rc = scale_attr(n, counts[i], left, size, err);
    for (size_t i = 0; list && count == 3 && i < 3; i++)
        sizes[i] = size ? list[i] * left / size : list[i];
    return list && count == 3 && rc == MQ_OK ? mq_node_set_attr_ints(n, "qkv_hidden_sizes", sizes, 3, err) : rc;
}
