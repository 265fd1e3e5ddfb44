/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of src/graph/channels*.c share: atoms, and the sets that they form. */
#ifndef MQ_GRAPH_CHANNELS_PARTS_H
#define MQ_GRAPH_CHANNELS_PARTS_H

#include "graph/channels.h"

#define MQ_NO_ATOM UINT32_MAX

/* Of a set of atoms; kept at its root. */
enum { MQ_ATOMS_FIXED = 1, MQ_ATOMS_BORN = 2, MQ_ATOMS_MIX = 4, MQ_ATOMS_INNER = 8, MQ_ATOMS_HEADS = 32 };

typedef struct mq_atom_axis {
    uint32_t first;       /* atom of index 0; MQ_NO_ATOM: unknown or 1 */
    uint32_t n;           /* size; 0: unknown (or too large to be followed) */
    const mq_node *born;  /* whose output channels these are; NULL: nobody's */
} mq_atom_axis;

typedef struct mq_atom_value {
    mq_value *value;
    int rank;             /* -1: unknown, or no tensor */
    uint32_t axis;        /* of its axis 0 in `axes` */
} mq_atom_value;

/* Why a set cannot go. */
typedef struct mq_atom_stop {
    const mq_node *node;  /* NULL: an input or output */
    const char *name;     /* of that */
    const char *reason;
} mq_atom_stop;

/* Axes of one side that together are the axes of the other: which of them carries the channels is decided when everything
 * else is known. */
typedef struct mq_atom_fold {
    const mq_node *node;
    const mq_value *flat, *deep;
    int flat_axis, deep_axis, n_deep; /* deep_axis: the first of n_deep */
} mq_atom_fold;

struct mq_channels {
    mq_model *model;
    MQ_VEC(mq_atom_value) values; /* a value's tag is its place here + 1 */
    MQ_VEC(mq_atom_axis) axes;
    MQ_VEC(mq_atom_stop) stops;
    MQ_VEC(mq_atom_fold) folds;
    uint32_t n_atoms;
    uint32_t *parent;
    uint32_t *stop;               /* per root: place in `stops`, when it is fixed */
    uint8_t *flags;               /* per root */
    bool failed;                  /* out of memory while rules ran */
    mq_arena *arena;              /* groups */
    MQ_VEC(mq_channel_group) groups;
    MQ_VEC(mq_channel_stop) told;
};

/* ---- sets (channels.c) ---------------------------------------------------------------------------------------------- */

mq_atom_value *mq_atoms_of(const mq_channels *c, const mq_value *v); /* NULL: not of the main graph */
mq_atom_axis *mq_atoms_axis(const mq_channels *c, const mq_value *v, int axis);
int mq_atoms_rank(const mq_channels *c, const mq_value *v);
/* Size of an axis; 0: unknown. */
uint32_t mq_atoms_size(const mq_channels *c, const mq_value *v, int axis);
uint32_t mq_atoms_root(const mq_channels *c, uint32_t atom);
void mq_atoms_join(mq_channels *c, uint32_t a, uint32_t b); /* either may be MQ_NO_ATOM */
/* Atom of an index; MQ_NO_ATOM when the axis has none. */
uint32_t mq_atoms_at(const mq_channels *c, const mq_value *v, int axis, uint32_t index);
void mq_atoms_flag(mq_channels *c, const mq_value *v, int axis, uint8_t flag);
/* Nothing along the axis can go, because of n (the reason is a literal). */
void mq_atoms_fix(mq_channels *c, const mq_value *v, int axis, const mq_node *n, const char *reason);
void mq_atoms_fix_value(mq_channels *c, const mq_value *v, const mq_node *n, const char *reason);
void mq_atoms_fix_node(mq_channels *c, const mq_node *n, const char *reason);
/* Index by index the two axes are one. Where they cannot be (other or unknown sizes) both are fixed. A size of 1 next to
 * another is broadcast: nothing. */
void mq_atoms_link(mq_channels *c, const mq_node *n, const mq_value *v, int axis, const mq_value *w, int axis2);
/* The axis holds output channels that n makes. */
void mq_atoms_bear(mq_channels *c, const mq_node *n, const mq_value *w, int axis);

/* ---- operators (channels_rules.c, channels_views.c) ----------------------------------------------------------------- */

/* Links what n's operator links. */
void mq_channels_rule(mq_channels *c, const mq_node *n);
/* Reshape, Flatten, Squeeze, Unsqueeze: by their shapes. */
void mq_channels_view(mq_channels *c, const mq_node *n);
/* Is v a constant, or what views make of one? */
bool mq_channels_is_weight(const mq_value *v);
/* Axis `axis` of weight w holds output channels that n makes: an axis of the constant, where it is transposed. Channels of a
 * weight behind Reshape and its like cannot go: which numbers of the constant they are made of is not looked for. */
void mq_channels_bear(mq_channels *c, const mq_node *n, const mq_value *w, int axis);
/* Decides the folds that views left over. */
void mq_channels_unfold(mq_channels *c);

/* Numbers that a node takes as attribute `attr` or as constant input `index`; NULL: none given (*n is 0), or not known
 * (*n is SIZE_MAX). In the arena. */
const int64_t *mq_channels_ints(mq_channels *c, const mq_node *n, const char *attr, size_t index, size_t *count);

/* Attention and MultiHeadAttention of ai.onnx and com.microsoft (channels_attention.c). */
void mq_channels_attend(mq_channels *c, const mq_node *n);
/* Their attributes, when `left` indices are left of the output's axis of heads. */
mq_status mq_channels_reattend(mq_channels *c, mq_node *n, uint32_t left, mq_error *err);

/* How a Conv of several groups loses channels: whole groups (depthwise), or the same ones of each. */
bool mq_channels_whole_groups(int64_t group, int64_t in_per_group);

/* ---- after the cut (channels_shrink.c) ------------------------------------------------------------------------------ */

/* Can the target shape of a Reshape (or sizes of a Resize) follow its output? */
bool mq_channels_can_retarget(const mq_channels *c, const mq_node *n);

#endif
