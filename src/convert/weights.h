/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Weights as arrays in files of their own: .npz and .safetensors. */
#ifndef MQ_CONVERT_WEIGHTS_H
#define MQ_CONVERT_WEIGHTS_H

#include "graph/array.h"

/* Is the file, by its name, a .safetensors file? *rc is MQ_ERR_USAGE when it is no .npz either. */
bool mq_weights_safetensors(const char *path, mq_status *rc, mq_error *err);

/* Names of types in .safetensors; NULL and MQ_UNDEFINED: there is none. */
const char *mq_safetensors_name(mq_dtype dtype);
mq_dtype mq_safetensors_type(const char *name);

/* Writes the dense initializers of all graphs under their names. Types that the file has no name for are left out and
 * counted in a warning. An existing file is MQ_ERR_USAGE unless force. */
mq_status mq_weights_write(const mq_model *m, const char *path, bool force, const mq_hooks *hooks, mq_error *err);

/* Which initializer an array is for. */
typedef struct mq_weights_names {
    const char *map; /* a JSON object of names in the file to names in the model; NULL: they are the same */
    bool by_order;   /* an array that no initializer is called like is for the first one of its type and shape that is
                      * left, in the order of the file and of the model; which is a warning */
} mq_weights_names;

/* Puts the arrays of a file in the place of initializers; names NULL: of those of the same names. MQ_ERR_INPUT for a name
 * that no initializer has (by_order: a type and shape that none has any more), another type or shape. Initializers without
 * an array stay, and are counted in a warning. */
mq_status mq_weights_read(mq_model *m, const char *path, const mq_weights_names *names, const mq_hooks *hooks,
                          mq_error *err);

#endif
