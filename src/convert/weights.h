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

/* Puts the arrays of a file in the place of the initializers of the same names; map (a JSON object of names in the file to
 * names in the model; NULL: none) renames some. MQ_ERR_INPUT for a name that no initializer has, another type or shape.
 * Initializers without an array stay, and are counted in a warning. */
mq_status mq_weights_read(mq_model *m, const char *path, const char *map, const mq_hooks *hooks, mq_error *err);

#endif
