/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Structured pruning: groups of coupled channels (graph/channels.h), how important each channel is, how many of each group
 * stay, and what that leaves of multiply-accumulates and bytes. Whole blocks are in passes/blocks.h. */
#ifndef MQ_PRUNE_STRUCTURE_H
#define MQ_PRUNE_STRUCTURE_H

#include "passes/blocks.h"
#include "passes/narrow.h"

/* What a group's channels are; a set of these is a pattern. */
typedef enum mq_structure_kind {
    MQ_STRUCTURE_CHANNEL = 1 << 0, /* filters, units, and whatever else is none of the following */
    MQ_STRUCTURE_HEAD = 1 << 1,    /* attention heads */
    MQ_STRUCTURE_MLP = 1 << 2,     /* columns between two products by constants, not normalized: they are channels, too */
} mq_structure_kind;

typedef struct mq_structure_group {
    const mq_channel_group *channels;
    size_t n;             /* channels */
    unsigned kinds;       /* of mq_structure_kind */
    bool chosen;          /* channels may go */
    const mq_node *spared_by; /* not chosen because this node, which makes some of them, is not to change; else NULL */
    size_t step;          /* a multiple of this many stays, or all of them */
    size_t left;          /* how many stay: n at first */
    double *scores;       /* n: more is more important */
    bool *keep;           /* n: set by mq_structure_pick */
} mq_structure_group;

typedef struct mq_structure mq_structure;

/* Finds the groups of m (mq_narrow_begin); none is chosen. Borrows m, whose nodes and values must stay. */
mq_status mq_structure_find(mq_structure **out, mq_model *m, mq_error *err);
void mq_structure_free(mq_structure *s); /* NULL is fine */
mq_structure_group *mq_structure_groups(const mq_structure *s, size_t *n);
const mq_channels *mq_structure_channels(const mq_structure *s);

/* Chooses the groups of these kinds. wanted: may this weight of n change (NULL: all may)? A group of which one may not stays
 * as a whole. round_to: the counts that stay are multiples of it (1: any); a group of heads is never rounded. */
void mq_structure_choose(mq_structure *s, unsigned kinds, size_t round_to,
                         bool (*wanted)(void *user, const mq_node *n, const mq_value *weight), void *user);

/* ---- importance (structure_score.c) --------------------------------------------------------------------------------- */

typedef enum mq_structure_method {
    MQ_STRUCTURE_L1,
    MQ_STRUCTURE_L2,
    MQ_STRUCTURE_GEOMEDIAN, /* sum of distances to the other channels (He et al. 2019): what is easily replaced goes */
    MQ_STRUCTURE_RANDOM,
} mq_structure_method;

/* Scores of the chosen groups, over the slices of the weights that make their channels. seed: of random ones; n_threads 0:
 * all. */
mq_status mq_structure_score(mq_structure *s, mq_structure_method method, uint64_t seed, int n_threads, mq_error *err);

/* ---- how many stay -------------------------------------------------------------------------------------------------- */

/* How many of g stay when this share goes (0 to 1): the nearest multiple of g->step (at least one) or
 * all of them; ties to the larger. */
size_t mq_structure_left(const mq_structure_group *g, double sparsity);

/* What a budget is in. */
typedef enum mq_structure_unit { MQ_STRUCTURE_MACS, MQ_STRUCTURE_BYTES, MQ_STRUCTURE_COUNT } mq_structure_unit;

/* What is left of the main graph at the groups' `left`: multiply-accumulates (sizes that are not known count 1), bytes of
 * constants, or channels of chosen groups. */
double mq_structure_cost(const mq_structure *s, mq_structure_unit unit);

/* Lowers `left` of the chosen groups, a step at a time, until at most `most` units are left: where the importance that is
 * lost per unit is least. That is the share of what the group still has of the sum of squared scores (Lee et al. 2021), so
 * that groups of different scale compare and the last channels of a group are dear, times the weights that lose slices;
 * `raw`: the scores themselves, which compare as they are. What the last step saved beyond need is given back where it fits.
 * *met is false when it is more even with one step of every group left. */
mq_status mq_structure_budget(mq_structure *s, mq_structure_unit unit, double most, bool raw, bool *met, mq_error *err);

/* ---- taking out (structure_cut.c) ----------------------------------------------------------------------------------- */

/* Sets `keep` of each group by scores and `left`; how many channels go in all. */
mq_status mq_structure_pick(mq_structure *s, size_t *n_gone, mq_error *err);
/* Takes out what is not kept (mq_narrow_finish); s is good for nothing then but mq_structure_groups' numbers. */
mq_status mq_structure_shrink(mq_structure *s, mq_error *err);
/* Makes it zero instead: in the weights that make the channels, in what is added to them or scales them, and in the weights
 * that read them. Except behind what normalizes over channels the outputs are those of the narrower model. */
mq_status mq_structure_zero(mq_structure *s, mq_error *err);
/* The constants that are zero for a channel of g that is gone: what makes it and what reads it; each once, into out, which
 * has room for g->channels->n_axes. */
size_t mq_structure_zeroed(const mq_structure_group *g, mq_value **out);
/* In data, the bytes of such a constant: zeros for the channels that `keep` does not have. */
void mq_structure_zero_slices(const mq_structure_group *g, const mq_value *v, const bool *keep, void *data);

/* ---- whole blocks (structure_blocks.c) ------------------------------------------------------------------------------ */

/* A score per block: the mean of |w|^p over its weights, p 1 or 2; infinite where one is NaN. */
mq_status mq_structure_rank_blocks(const mq_blocks *b, int p, double *scores, mq_error *err);
/* Flags of the n_gone blocks with the least scores (none is NaN), of equal ones the first; one of each run stays. *n_went:
 * how many go. MQ_ERR_NOMEM. */
mq_status mq_structure_pick_blocks(const mq_blocks *b, const double *scores, size_t n_gone, bool *gone, size_t *n_went,
                                   mq_error *err);

#endif
