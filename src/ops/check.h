/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Checking a model against the operator table: versions, operators, attributes, functions, types. Each function
 * adds to the findings and fails only for lack of memory. docs/check.md explains the codes. */
#ifndef MQ_OPS_CHECK_H
#define MQ_OPS_CHECK_H

#include "graph/finding.h"
#include "ops/ops.h"

/* The newest IR version of the specification that the table follows. */
#define MQ_NEWEST_IR 14

/* IR version, opset imports, every node against its schema, data of every tensor, and functions. Codes: ir-version,
 * opset-*, op-*, attr-*, function-*, and those of graph/verify_tensor.h. */
mq_status mq_check_operators(mq_model *m, mq_findings *fs, mq_error *err);

/* Functions: names, calls, imports (src/ops/check_functions.c; called by mq_check_operators). */
mq_status mq_check_functions(mq_model *m, mq_findings *fs, mq_error *err);

/* Infers types and adds what cannot be right, as warnings: the specification's checker does not infer. Codes: type,
 * shape. */
mq_status mq_check_types(mq_model *m, mq_findings *fs, mq_error *err);

/* A node against one schema (of ONNX: errors; an extension: warnings). */
void mq_check_node_schema(const mq_node *n, const mq_op_schema *s, mq_findings *fs);

/* The version that a list of imports gives a domain, exactly as written (the last entry counts, "" also matches
 * "ai.onnx"); false: not imported. */
bool mq_opset_import(const mq_opset_vec *imports, const char *domain, int64_t *version);

/* The schema in the specification: NULL for an operator that it does not have, as an extension of a runtime. The
 * domain is as written: "ai.onnx" has none, it is spelled "". */
const mq_op_schema *mq_schema_of_spec(const char *domain, const char *op_type, int64_t version);

/* Operators of the first ONNX releases that never got a schema: allowed, and told. */
bool mq_op_is_experimental(const char *domain, const char *op_type);

/* Calls `visit` for each node of g and of the graphs inside it, in file order, down to MQ_MAX_NESTING. */
typedef mq_status (*mq_node_visit)(void *user, mq_node *n);
mq_status mq_nodes_visit(const mq_graph *g, mq_node_visit visit, void *user);

#endif
