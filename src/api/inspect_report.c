/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* An inspection as the section `model` of a report: every member, under its own name. */
#include "api/inspect_parts.h"
#include "report/report.h"

static int64_t clamp(uint64_t n)
{
    return n < INT64_MAX ? (int64_t)n : INT64_MAX;
}

static void put_count(mq_report *r, json_t *o, const char *key, uint64_t n)
{
    mq_report_put_int(r, o, key, clamp(n));
}

static void put_values(mq_report *r, json_t *o, const char *key, const mq_inspect_value *list, size_t n)
{
    json_t *array = mq_report_array(r, o, key);

    for (size_t i = 0; i < n; i++) {
        json_t *e = mq_report_append(r, array);
        mq_report_put_text(r, e, "name", list[i].name);
        mq_report_put_text(r, e, "type", list[i].type);
        mq_report_put_text(r, e, "shape", list[i].shape);
    }
}

static void put_pairs(mq_report *r, json_t *o, const char *key, const mq_inspect_pair *list, size_t n)
{
    json_t *array = mq_report_array(r, o, key);

    for (size_t i = 0; i < n; i++) {
        json_t *e = mq_report_append(r, array);
        mq_report_put_text(r, e, "key", list[i].key);
        mq_report_put_text(r, e, "value", list[i].value);
    }
}

static void put_header(mq_report *r, json_t *m, const mq_inspection *in)
{
    json_t *opsets;

    mq_report_put_text(r, m, "path", in->path);
    put_count(r, m, "file_bytes", in->file_bytes);
    put_count(r, m, "data_bytes", in->data_bytes);
    mq_report_put_int(r, m, "ir_version", in->ir_version);
    mq_report_put_text(r, m, "producer", in->producer);
    mq_report_put_text(r, m, "graph_name", in->graph_name);
    opsets = mq_report_array(r, m, "opsets");
    for (size_t i = 0; i < in->n_opsets; i++) {
        json_t *e = mq_report_append(r, opsets);
        mq_report_put_text(r, e, "domain", in->opsets[i].domain);
        mq_report_put_int(r, e, "version", in->opsets[i].version);
    }
    put_pairs(r, m, "metadata", in->metadata, in->n_metadata);
    put_values(r, m, "inputs", in->inputs, in->n_inputs);
    put_values(r, m, "outputs", in->outputs, in->n_outputs);
    put_count(r, m, "optional_inputs", in->n_optional_inputs);
}

static void put_operators(mq_report *r, json_t *m, const mq_inspection *in)
{
    json_t *ops;

    put_count(r, m, "nodes", in->nodes);
    put_count(r, m, "subgraphs", in->subgraphs);
    put_count(r, m, "functions", in->functions);
    ops = mq_report_array(r, m, "operators");
    for (size_t i = 0; i < in->n_ops; i++) {
        json_t *e = mq_report_append(r, ops);
        mq_report_put_text(r, e, "domain", in->ops[i].domain);
        mq_report_put_text(r, e, "op_type", in->ops[i].op_type);
        put_count(r, e, "nodes", in->ops[i].nodes);
        put_count(r, e, "macs", in->ops[i].macs);
        put_count(r, e, "macs_unknown", in->ops[i].macs_unknown);
        put_count(r, e, "weight_bytes", in->ops[i].weight_bytes);
        mq_report_put_bool(r, e, "known", in->ops[i].known);
        mq_report_put_bool(r, e, "quantizable", in->ops[i].quantizable);
        mq_report_put_bool(r, e, "runs", in->ops[i].runs);
    }
}

static void put_stats(mq_report *r, json_t *e, const mq_tensor_stats *s)
{
    json_t *stats = mq_report_object(r, e, "stats"), *bins;

    put_count(r, stats, "zeros", s->zeros);
    put_count(r, stats, "nans", s->nans);
    put_count(r, stats, "infs", s->infs);
    mq_report_put_real(r, stats, "min", s->min);
    mq_report_put_real(r, stats, "max", s->max);
    mq_report_put_real(r, stats, "mean", s->mean);
    mq_report_put_real(r, stats, "std", s->std);
    bins = mq_report_array(r, stats, "histogram");
    for (size_t i = 0; i < MQ_HISTOGRAM_BINS; i++)
        mq_report_push_int(r, bins, clamp(s->histogram[i]));
}

static void put_tensors(mq_report *r, json_t *o, const char *key, const mq_inspect_tensor *list, size_t n)
{
    json_t *array = mq_report_array(r, o, key);

    for (size_t i = 0; i < n; i++) {
        json_t *e = mq_report_append(r, array);
        mq_report_put_text(r, e, "name", list[i].name);
        mq_report_put_text(r, e, "type", list[i].type);
        mq_report_put_text(r, e, "shape", list[i].shape);
        mq_report_put_text(r, e, "place", list[i].place);
        put_count(r, e, "elements", list[i].elements);
        put_count(r, e, "bytes", list[i].bytes);
        mq_report_put_bool(r, e, "weight", list[i].is_weight);
        if (list[i].has_stats)
            put_stats(r, e, &list[i].stats);
        if (*list[i].structure)
            mq_report_put_text(r, e, "structure", list[i].structure);
        if (*list[i].why)
            mq_report_put_text(r, e, "why", list[i].why);
    }
}

static void put_weights(mq_report *r, json_t *m, const mq_inspection *in)
{
    json_t *types, *zeros;

    put_count(r, m, "parameters", in->parameters);
    put_count(r, m, "weight_bytes", in->weight_bytes);
    types = mq_report_array(r, m, "weights");
    for (size_t i = 0; i < in->n_types; i++) {
        json_t *e = mq_report_append(r, types);
        mq_report_put_text(r, e, "type", in->types[i].name);
        put_count(r, e, "tensors", in->types[i].tensors);
        put_count(r, e, "elements", in->types[i].elements);
        put_count(r, e, "bytes", in->types[i].bytes);
    }
    put_tensors(r, m, "largest", in->largest, in->n_largest);
    if (!in->zeros_known) {
        mq_report_put_null(r, m, "zeros");
        return;
    }
    zeros = mq_report_object(r, m, "zeros");
    put_count(r, zeros, "zeros", in->zeros);
    put_count(r, zeros, "of", in->zeros_of);
}

static void put_cost(mq_report *r, json_t *m, const mq_inspection *in)
{
    json_t *a;

    mq_report_put_text(r, m, "assumed", in->assumed);
    mq_report_put_text(r, m, "open_sizes", in->open_dims);
    put_count(r, m, "macs", in->macs);
    put_count(r, m, "macs_unknown", in->macs_unknown);
    a = mq_report_object(r, m, "activations");
    put_count(r, a, "peak_bytes", in->activation_peak);
    mq_report_put_text(r, a, "peak_at", in->activation_peak_at);
    put_count(r, a, "sum_bytes", in->activation_sum);
    put_count(r, a, "unknown", in->activations_unknown);
}

static void put_quantization(mq_report *r, json_t *m, const mq_inspection *in)
{
    json_t *q = mq_report_object(r, m, "quantization"), *targets;

    mq_report_put_bool(r, q, "quantized", in->is_quantized);
    put_count(r, q, "quantize", in->quantization.quantize);
    put_count(r, q, "dequantize", in->quantization.dequantize);
    put_count(r, q, "qoperator", in->quantization.qoperator);
    put_count(r, q, "dynamic", in->quantization.dynamic);
    put_count(r, q, "nbits", in->quantization.nbits);
    mq_report_put_text(r, q, "types", in->quantization.types);
    put_count(r, q, "quantizable_tensors", in->quantizable_tensors);
    put_count(r, q, "quantizable_bytes", in->quantizable_bytes);
    put_count(r, q, "float_bytes", in->float_bytes);
    targets = mq_report_array(r, m, "targets");
    for (size_t i = 0; i < in->n_targets; i++) {
        json_t *e = mq_report_append(r, targets);
        mq_report_put_text(r, e, "name", in->targets[i].name);
        mq_report_put_text(r, e, "lacks", in->targets[i].lacks);
        put_count(r, e, "others", in->targets[i].n_others);
        mq_report_put_text(r, e, "first", in->targets[i].first);
    }
}

static void put_files(mq_report *r, json_t *m, const mq_inspection *in)
{
    json_t *files = mq_report_array(r, m, "external_files");

    for (size_t i = 0; i < in->n_files; i++) {
        json_t *e = mq_report_append(r, files);
        mq_report_put_text(r, e, "location", in->files[i].location);
        put_count(r, e, "tensors", in->files[i].tensors);
        put_count(r, e, "bytes", in->files[i].bytes);
        mq_report_put_bool(r, e, "missing", in->files[i].missing);
        mq_report_put_text(r, e, "why", in->files[i].why);
    }
}

static void put_nodes(mq_report *r, json_t *m, const mq_inspection *in)
{
    json_t *nodes = mq_report_array(r, m, "node_list");

    for (size_t i = 0; i < in->n_node_list; i++) {
        const mq_inspect_node *n = &in->node_list[i];
        json_t *e = mq_report_append(r, nodes);
        mq_report_put_text(r, e, "name", n->name);
        mq_report_put_text(r, e, "op_type", n->op_type);
        mq_report_put_text(r, e, "graph", n->graph);
        if (n->macs >= 0)
            mq_report_put_int(r, e, "macs", n->macs);
        else
            mq_report_put_null(r, e, "macs");
        put_values(r, e, "inputs", n->inputs, n->n_inputs);
        put_values(r, e, "outputs", n->outputs, n->n_outputs);
        put_pairs(r, e, "attributes", n->attributes, n->n_attributes);
    }
}

void mq_inspect_fill_report(const mq_inspection *in, mq_report *report)
{
    json_t *m = mq_report_section(report, "model");

    if (!m)
        return;
    put_header(report, m, in);
    put_operators(report, m, in);
    put_weights(report, m, in);
    put_cost(report, m, in);
    put_quantization(report, m, in);
    put_files(report, m, in);
    put_count(report, m, "broken_rules", in->n_errors);
    mq_report_put_text(report, m, "next", in->next);
    if (in->n_node_list)
        put_nodes(report, m, in);
    if (in->n_tensor_list)
        put_tensors(report, m, "tensor_list", in->tensor_list, in->n_tensor_list);
}
