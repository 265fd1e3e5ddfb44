/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Losses as nodes: standard operators behind a student's graph, so that the engine computes them and their gradients like
 * any other node.
 *
 * Each term compares one tensor of the student with a target, which becomes a new input of the graph. The loss is the sum of
 * weight * term, a float scalar. Class scores: where the named tensor comes from Softmax or LogSoftmax, what goes into that
 * is read, with its axis; else the scores are read as logits, along axis 1 of rank 4 and 5, along the last axis of others.
 * Where BCE and BINARY_KL's tensor comes from Sigmoid, what goes into that is read.
 *
 *   CE        mean over labelled places of -sum(q log softmax(z)), q one at the label; with smoothing s: (1-s) q + s/C
 *             (Szegedy et al. 2016, as torch). Target: int64, the scores' shape without the class axis; a label below 0 is
 *             none: its place does not count. Without any label the term is 0.
 *   SOFT_CE   mean over places of -sum(p log softmax(z)). Target: float, the scores' shape: probabilities p.
 *   KL        T^2 times the mean over places of KL(softmax(t/T) || softmax(z/T)) (Hinton, Vinyals, Dean 2015). Target:
 *             float, the scores' shape: the teacher's logits t.
 *   BCE       mean over labelled elements of softplus(z) - q z: each element is a question of its own, z its logit, q the
 *             probability that the answer is yes; with smoothing s: q = (1-s) t + s/2. Target: float, z's shape: t from 0 to
 *             1; below 0 there is none: the element does not count. Without any label the term is 0.
 *   BINARY_KL T^2 times the mean over elements of KL(sigmoid(t/T) || sigmoid(z/T)). Target: float, z's shape: the teacher's
 *             logits t.
 *   MSE       mean of (y-t)^2. Target: float, y's shape.
 *   COSINE    1 - the mean over samples (axis 0) of cos(y, t), all other axes together. Target: float, y's shape.
 *   HINT      MSE between an inner tensor and the teacher's (FitNets, Romero et al. 2015). Channels are axis 1 of rank 4 and
 *             5, else the last one; where their number differs a projection is learned (a 1x1 convolution, a product): a new
 *             initializer "hint_projection". Target: float, y's shape with the teacher's channels. */
#ifndef MQ_TRAIN_LOSS_H
#define MQ_TRAIN_LOSS_H

#include "graph/graph.h"

typedef enum mq_loss_kind {
    MQ_LOSS_CE,
    MQ_LOSS_SOFT_CE,
    MQ_LOSS_KL,
    MQ_LOSS_BCE,
    MQ_LOSS_BINARY_KL,
    MQ_LOSS_MSE,
    MQ_LOSS_COSINE,
    MQ_LOSS_HINT,
    MQ_N_LOSSES,
} mq_loss_kind;

/* "ce", "soft-ce", "kl", "bce", "binary-kl", "mse", "cosine", "hint". */
const char *mq_loss_name(mq_loss_kind kind);
bool mq_loss_find(const char *name, mq_loss_kind *out);

typedef struct mq_loss_term {
    mq_loss_kind kind;
    const char *tensor; /* of the student's main graph */
    double weight;      /* 0 counts as 1 */
    double temperature; /* KL, BINARY_KL: T; 0 counts as 1 */
    double smoothing;   /* CE, BCE: s, from 0 to below 1 */
    int64_t channels;   /* HINT: of the target; 0: the tensor's */
    uint64_t seed;      /* HINT: of the projection's first values (uniform, 1/sqrt(channels), as torch's layers) */
} mq_loss_term;

/* Along which axis classes lie in scores of this rank: 1 of images and volumes, else the last. */
int mq_class_axis(int rank);

/* Is `v` a probability (the output of Softmax or LogSoftmax, perhaps through Identity)? *logits (may be NULL): what goes
 * into that, else v. *axis (may be NULL): the class axis, from 0; -1 when the rank is not known. */
bool mq_loss_logits(mq_value *v, mq_value **logits, int *axis);

/* Is `v` a probability by itself (the output of Sigmoid, perhaps through Identity)? *logits: what goes into that, else v. */
bool mq_loss_sigmoid(mq_value *v, mq_value **logits);

/* Appends the terms to g (newest opset, types inferred); targets become inputs in the order of terms, typed, behind those
 * that are there. targets[i] is the i-th one; *loss the scalar (no output yet); projections[i] the learned initializer of a
 * HINT, else NULL. Types are to be inferred again afterwards. Errors: MQ_ERR_USAGE (a name the graph does not have, numbers
 * out of range), MQ_ERR_UNSUPPORTED (not float, or a shape that is not known well enough, one class only), MQ_ERR_NOMEM. */
mq_status mq_loss_append(mq_graph *g, const mq_loss_term *terms, size_t n, mq_value **targets, mq_value **projections,
                         mq_value **loss, mq_error *err);

#endif
