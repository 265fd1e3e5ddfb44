/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What `mq convert` does to a model besides rewrites (src/passes): its edges, names, sizes and forms. Each call either does
 * all of it or fails before it changes anything, as far as that can be told. */
#ifndef MQ_CONVERT_CONVERT_H
#define MQ_CONVERT_CONVERT_H

#include "base/str.h"
#include "graph/graph.h"

/* Cuts the main graph: `inputs` become its inputs, in this order, `outputs` its outputs (n 0: those it has). Any tensor may
 * be one; names have been found to exist. What is not needed goes. Types must have been inferred, and are again afterwards.
 * MQ_ERR_USAGE when an output needs an input that is not listed, MQ_ERR_UNSUPPORTED when a new edge's type is not known. */
mq_status mq_convert_cut(mq_model *m, const char *const *inputs, size_t n_inputs, const char *const *outputs,
                         size_t n_outputs, mq_error *err);

/* Initializers that are no inputs are of IR version 4: a model that has got some is, too. */
void mq_convert_raise_ir(mq_model *m);

/* Lowers ai.onnx of the model to `to`; types must have been inferred. MQ_ERR_UNSUPPORTED listing the nodes that have no
 * older form without loss (the model is then good for freeing only). */
mq_status mq_convert_lower_opset(mq_model *m, int to, mq_error *err);

/* Writes --shape and --dim into the model: inputs, outputs, and what is inferred from them. */
mq_status mq_convert_shapes(mq_model *m, const char *const *shapes, size_t n_shapes, const char *const *dims, size_t n_dims,
                            mq_error *err);

/* "[NAME=]TYPE": an input or output (without a name: all of floats, or of integers) in another type, with a Cast. */
mq_status mq_convert_io_types(mq_model *m, const char *const *items, size_t n, mq_error *err);
/* "NAME=nchw", "NAME=nhwc": an input or output whose channels are last, or second, in the other layout, with a Transpose. */
mq_status mq_convert_io_layouts(mq_model *m, const char *const *items, size_t n, mq_error *err);
/* --preprocess specs without resizing: the input takes uint8 pixels, and their arithmetic is nodes. */
mq_status mq_convert_pixels(mq_model *m, const char *const *specs, size_t n, const mq_hooks *hooks, mq_error *err);

/* "OLD=NEW": tensors of any graph get other names. MQ_ERR_USAGE for a name that no tensor has, or that is taken. */
mq_status mq_convert_rename(mq_model *m, const char *const *pairs, size_t n, mq_error *err);

/* Declarations of values that are no more are not written. */
void mq_convert_tidy(mq_model *m);

/* The model as JSON for reading: graphs, types, attributes, constants of few elements. */
mq_status mq_convert_json(const mq_model *m, mq_str *out, mq_error *err);

#endif
