/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Rounding the weights of a plan by what data say of their layers' inputs (round.h), layer after layer in the order of the
 * graph: as many at a time as their sums have room for. What was found is kept in a table, for further plans of the same
 * model.
 *
 *     mq_rounding_create(&r, &table, plan, ...);
 *     while (mq_rounding_next(r)) {
 *         names = mq_rounding_names(r, &n);         // run the model, and for each array:
 *         mq_rounding_add(r, value, array, ...);
 *         mq_rounding_finish(r, ...);               // these weights have integers now
 *     }
 *     mq_rounding_free(r); */
#ifndef MQ_QUANT_ROUNDING_H
#define MQ_QUANT_ROUNDING_H

#include "quant/quant.h"
#include "quant/round.h"

/* A weight that is rounded. */
typedef struct mq_rounded {
    char *name; /* of the value; heap, as all of it */
    mq_scheme scheme;
    mq_grid grid;
    size_t n;   /* elements */
    size_t n_zero_groups;
    float *scales;
    int32_t *zero_points;
    uint8_t *integers;
    /* Squares of the layer's results, summed over the data; of their errors with the weight rounded to nearest, and now. */
    double signal, nearest, error;
} mq_rounded;

typedef struct mq_rounded_table {
    MQ_VEC(mq_rounded *) items;
} mq_rounded_table;

void mq_rounded_table_release(mq_rounded_table *t);
/* What is known of the item in the form that is planned; NULL: nothing. */
const mq_rounded *mq_rounded_find(const mq_rounded_table *t, const mq_quant_item *it);

typedef struct mq_rounding mq_rounding;

/* kind: RTN (scales alone are looked for), GPTQ, or DESCENT from the better of that and the nearest integers. budget: bytes
 * of sums held at a time. Scales that are not the user's are found anew where that lowers the error. Weights that are in the
 * table get their integers at once. Weights whose inputs cannot be seen (embeddings; inside If, Loop or Scan; recurrent
 * ones; read in several ways), with 16 bits, or with NaN or infinity in them stay as they are. Borrows table, plan and
 * hooks. */
mq_status mq_rounding_create(mq_rounding **out, mq_rounded_table *table, mq_quant_plan *plan, mq_round_kind kind,
                             uint64_t budget, const mq_hooks *hooks, mq_error *err);
/* No layer is begun once is_late says so. Those that are left stay as they are, with a warning. */
void mq_rounding_set_end(mq_rounding *r, bool (*is_late)(void *user), void *user);
/* How many weights wait, and about the seconds that rounding them takes on these threads, without running the model. */
size_t mq_rounding_work(const mq_rounding *r, double *seconds);
void mq_rounding_free(mq_rounding *r); /* NULL is fine */

/* Begins the next stage; *more false: there is none. MQ_ERR_NOMEM. */
mq_status mq_rounding_next(mq_rounding *r, bool *more, mq_error *err);
/* The tensors that are to be looked at in this stage. */
const char *const *mq_rounding_names(const mq_rounding *r, size_t *n);
/* Is the first axis of such a tensor, of that rank, one that is summed over, and so no batch? */
bool mq_rounding_sums_first_axis(const mq_rounding *r, const mq_value *value, int rank);
/* What one of them held in a run, in plain layout. */
mq_status mq_rounding_add(mq_rounding *r, const mq_value *value, const mq_array *array, mq_error *err);
/* Rounds the stage's weights. Layers are shared among threads. */
mq_status mq_rounding_finish(mq_rounding *r, mq_error *err);

#endif
