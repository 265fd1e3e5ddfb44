/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How important channels are, by what data say: their activations, or the gradients of the weights that read them.
 *
 *   activation  the mean magnitude of what the weights that read a channel get of it (the mean activation of Molchanov,
 *               Tyree, Karras, Aila, Kautz, "Pruning Convolutional Neural Networks for Resource Efficient Inference", 2017),
 *               relative to the mean of its tensor's channels, summed over these tensors
 *   Taylor      (sum of gradient times weight)^2 over the slices that read a channel, mean over steps: to first order the
 *               square of what the loss changes by when the channel becomes zero (Molchanov, Mallya, Tyree, Frosio, Kautz,
 *               "Importance Estimation for Neural Network Pruning", 2019). Where nothing reads a channel by weights that
 *               have gradients, the slices that make it
 *
 *     mq_importance_create(&p, s)             s: its groups are chosen
 *     mq_importance_add_activation(p, ...)    for each of mq_importance_tensors and each run, or
 *     mq_importance_add_gradient(p, ...)      for each weight, then mq_importance_end_step(p)
 *     mq_importance_finish(p)                 scores are set
 *     mq_importance_free(p)  */
#ifndef MQ_PRUNE_IMPORTANCE_H
#define MQ_PRUNE_IMPORTANCE_H

#include "graph/array.h"
#include "prune/structure.h"

typedef struct mq_importance mq_importance;

/* Borrows s. */
mq_status mq_importance_create(mq_importance **out, mq_structure *s, mq_error *err);
void mq_importance_free(mq_importance *p); /* NULL is fine */

/* Tensors of the main graph whose activations count; each once. */
const char *const *mq_importance_tensors(const mq_importance *p, size_t *n);
/* What one of them held in a run, in plain layout. One of another shape than the graph says does not count. */
void mq_importance_add_activation(mq_importance *p, const char *tensor, const mq_array *a);

/* A weight with n elements and the gradient of a step's loss; one that is none of the groups' does not count. */
void mq_importance_add_gradient(mq_importance *p, const char *weight, const float *w, const float *gradient, size_t n);
void mq_importance_end_step(mq_importance *p);

/* Sets the scores of the chosen groups; one of which nothing was seen gets the L2 norms of its weights, with a warning
 * (prune-unseen). Numbers that are not finite do not count, with a warning (prune-nonfinite). hooks may be
 * NULL. MQ_ERR_NOMEM. */
mq_status mq_importance_finish(mq_importance *p, const mq_hooks *hooks, mq_error *err);

#endif
