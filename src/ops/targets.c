/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The table of targets and the check against it. A target row says what is surely refused; what depends on sizes and
 * settings of single operators is left to the runtime itself to say. */
#include "ops/targets.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "ops/check.h"

static const char *const default_domain[] = { "", NULL };
static const char *const onnxruntime_domains[] = { "",
                                                   "ai.onnx.ml",
                                                   "com.microsoft",
                                                   "com.microsoft.nchwc",
                                                   "com.ms.internal.nhwc",
                                                   NULL };

/* From the kernel registry of onnxruntime 1.31.1 (get_all_opkernel_def, CPUExecutionProvider) against the schemas
 * of onnx 1.23.2, and by loading every node test at opset 26: versions with neither a kernel nor a body of
 * operators that have one (Bernoulli's body is RandomUniformLike). */
static const mq_target_gap onnxruntime_gaps[] = {
    { "Bernoulli", 22 },        { "GlobalLpPool", 22 }, { "ImageDecoder", 20 },     { "MaxRoiPool", 22 },
    { "Multinomial", 22 },      { "RandomNormal", 22 }, { "RandomNormalLike", 22 }, { "RandomUniform", 22 },
    { "RandomUniformLike", 22 }, { "RoiAlign", 22 },    { 0 },
};

static const mq_target_types onnxruntime_types[] = {
#include "ops/ort_types.inc"
};

/* From the operator list of onnx-tensorrt for TensorRT 10.15 (docs/operators.md). */
static const mq_target_gap tensorrt_gaps[] = {
    { "AffineGrid", 1 },         { "Bernoulli", 1 },           { "BitShift", 1 },
    { "BitwiseAnd", 1 },         { "BitwiseNot", 1 },          { "BitwiseOr", 1 },
    { "BitwiseXor", 1 },         { "Col2Im", 1 },              { "CenterCropPad", 1 },
    { "Compress", 1 },           { "ConcatFromSequence", 1 },  { "ConvInteger", 1 },
    { "DFT", 1 },                { "Det", 1 },                 { "DynamicQuantizeLinear", 1 },
    { "ImageDecoder", 1 },       { "MatMulInteger", 1 },       { "MaxRoiPool", 1 },
    { "MaxUnpool", 1 },          { "MelWeightMatrix", 1 },     { "Multinomial", 1 },
    { "NegativeLogLikelihoodLoss", 1 }, { "Optional", 1 },     { "OptionalGetElement", 1 },
    { "OptionalHasElement", 1 }, { "QLinearConv", 1 },         { "QLinearMatMul", 1 },
    { "RegexFullMatch", 1 },     { "SequenceAt", 1 },          { "SequenceConstruct", 1 },
    { "SequenceEmpty", 1 },      { "SequenceErase", 1 },       { "SequenceInsert", 1 },
    { "SequenceLength", 1 },     { "SequenceMap", 1 },         { "SoftmaxCrossEntropyLoss", 1 },
    { "SplitToSequence", 1 },    { "StringConcat", 1 },        { "StringNormalizer", 1 },
    { "StringSplit", 1 },        { "TfIdfVectorizer", 1 },     { "Unique", 1 },
    { 0 },
};

/* The operators that onnx2c makes code for (src/graph.cc, createNode); other C code generators have fewer. */
static const char *const c_operators[] = {
    "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "AveragePool", "BatchNormalization",
    "BitShift", "Cast", "Ceil", "Celu", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv", "Cos", "Cosh",
    "ConvInteger", "ConvTranspose", "DequantizeLinear", "Div", "Dropout", "DynamicQuantizeLinear", "Elu",
    "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "Gemm", "GlobalAveragePool", "GlobalMaxPool",
    "Greater", "GreaterOrEqual", "GRU", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization",
    "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "LRN", "LSTM", "MatMul",
    "MatMulInteger", "Max", "MaxPool", "Mean", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pad", "Pow", "PRelu",
    "QLinearConv", "QLinearMatMul", "QuantizeLinear", "RandomUniform", "Range", "ReduceProd", "ReduceMean",
    "ReduceSumSquare", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "Reciprocal", "Relu", "Reshape", "Resize", "Round", "ScatterND", "Selu", "Shape",
    "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Slice", "Softplus", "Softsign", "Softmax", "Split", "Squeeze",
    "Sqrt", "Sub", "Sum", "Tan", "Tanh", "Transpose", "ThresholdedRelu", "Unsqueeze", "Upsample", "Where",
    "Xor", NULL,
};

static const char *const portable_asks[] = { "onnxruntime", "tensorrt", NULL };

static const mq_target targets[] = {
    { .name = "onnx", .title = "ONNX 1.23" },
    { .name = "onnxruntime", .title = "ONNX Runtime 1.31.1 (CPU)", .min_opset = 1, .max_opset = 26, .max_ir = 13,
      .domains = onnxruntime_domains, .gaps = onnxruntime_gaps, .types = onnxruntime_types,
      .n_types = MQ_ARRAY_LEN(onnxruntime_types), .typed = true },
    { .name = "tensorrt", .title = "TensorRT 10.15", .min_opset = 9, .max_opset = 24, .domains = default_domain,
      .gaps = tensorrt_gaps, .zero_points_zero = true },
    { .name = "c", .title = "C code (onnx2c)", .domains = default_domain, .only = c_operators, .static_shapes = true,
      .no_subgraphs = true },
    { .name = "portable", .title = "every common runtime", .domains = default_domain, .also = portable_asks,
      .typed = true },
};

const mq_target *mq_target_find(const char *name)
{
    for (size_t i = 0; i < MQ_ARRAY_LEN(targets); i++)
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    return NULL;
}

const char *const *mq_target_names(void)
{
    static const char *const names[] = { "onnx", "onnxruntime", "tensorrt", "c", "portable", NULL };

    return names;
}

/* ---- the check ---------------------------------------------------------------------------------------------------- */

typedef struct checker {
    mq_model *m;
    const mq_target *target;
    mq_findings *fs;
} checker;

static bool lists(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static bool lacks(const mq_target *t, const char *op, int since)
{
    for (const mq_target_gap *g = t->gaps; g && g->op; g++)
        if (strcmp(g->op, op) == 0 && since >= g->since)
            return true;
    return t->only && !lists(t->only, op);
}

static int types_order(const void *name, const void *row)
{
    return strcmp(name, ((const mq_target_types *)row)->op);
}

/* The element type of the first input, when the target is known not to take it; else MQ_UNDEFINED. */
static mq_dtype refused_type(const mq_target *t, const mq_node *n)
{
    const mq_type *type = n->n_inputs && n->inputs[0] ? n->inputs[0]->type : NULL;
    const mq_target_types *row = NULL;

    if (!type || type->kind != MQ_TYPE_TENSOR || (unsigned)type->dtype >= MQ_N_DTYPES || *mq_domain_norm(n->domain))
        return MQ_UNDEFINED;
    if (t->types)
        row = bsearch(n->op_type, t->types, t->n_types, sizeof *t->types, types_order);
    return row && !(row->types >> type->dtype & 1) ? type->dtype : MQ_UNDEFINED;
}

static bool has_graph(const mq_node *n)
{
    for (size_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i]->graphs && n->attrs[i]->n)
            return true;
    return false;
}

/* A constant zero point with a value other than 0. Only small ones are read: a zero point has one element per
 * channel. */
static bool is_asymmetric(const mq_node *n)
{
    bool quantizes = mq_node_is(n, "", "QuantizeLinear") || mq_node_is(n, "", "DequantizeLinear");
    mq_tensor *t = quantizes && n->n_inputs > 2 && n->inputs[2] ? mq_value_constant(n->inputs[2], true) : NULL;
    int64_t count = t ? mq_tensor_count(t) : 0;

    for (int64_t i = 0; i < count && i < 65536; i++) {
        int64_t v;

        if (mq_tensor_read_i64(t, (uint64_t)i, 1, &v, NULL) != MQ_OK)
            return false;
        if (v)
            return true;
    }
    return false;
}

static mq_status check_node(void *user, mq_node *n)
{
    const checker *c = user;
    const char *domain = mq_domain_norm(n->domain), *title = c->target->title;
    const mq_op_schema *s = mq_node_schema(n);
    mq_place at = MQ_PLACE_NODE(n);

    if (mq_node_function(n))
        return MQ_OK;
    if (c->target->domains && !lists(c->target->domains, domain))
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "target-domain", at, "%s has no operators of domain '%s'", title,
                       domain);
    else if (!*domain && lacks(c->target, n->op_type, s ? s->since : 1))
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "target-op", at, "%s has no %s of version %d", title, n->op_type,
                       s ? s->since : 1);
    else if (refused_type(c->target, n))
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "target-type", at, "%s has no %s that takes %s", title, n->op_type,
                       mq_dtype_name(refused_type(c->target, n)));
    if (c->target->no_subgraphs && has_graph(n))
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "target-subgraph", at, "%s does not take graphs inside nodes",
                       title);
    if (c->target->zero_points_zero && is_asymmetric(n))
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "target-zero-point", at,
                       "its zero point is not 0, but %s takes only 0",
                       title);
    return MQ_OK;
}

static void check_versions(const checker *c)
{
    const mq_target *t = c->target;
    int64_t opset = 0;

    if (t->max_ir && c->m->ir_version > t->max_ir)
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "target-ir", MQ_PLACE_MODEL,
                       "IR version %" PRId64 " is newer than %d, the newest that %s takes",
                       c->m->ir_version, t->max_ir, t->title);
    if (!t->max_opset || !mq_opset_import(&c->m->opsets, "", &opset))
        return;
    if (opset > t->max_opset || opset < t->min_opset)
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "target-opset", MQ_PLACE_MODEL,
                       "opset %" PRId64 " is not among those that %s takes (%d to %d)", opset, t->title, t->min_opset,
                       t->max_opset);
}

/* Is an input of the model without a known size? (Initializers that are also inputs have their own.) */
static void check_shapes(const checker *c)
{
    for (size_t i = 0; c->m->graph && i < c->m->graph->inputs.n; i++) {
        const mq_value *v = c->m->graph->inputs.items[i];
        const mq_type *t = v->type ? v->type : v->declared;
        bool known = t && t->kind == MQ_TYPE_TENSOR && t->rank >= 0;

        for (int k = 0; known && k < t->rank; k++)
            known = mq_dim_known(t->dims[k]);
        if (!known && !v->init)
            mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "target-shape", MQ_PLACE_TENSOR(c->m->graph, v->name),
                           "it is an input without a fixed shape, which %s needs", c->target->title);
    }
}

/* What inference warned of is refused by a typed target. */
static void raise_types(const checker *c)
{
    for (size_t i = 0; i < c->fs->list.n; i++) {
        mq_finding *f = &c->fs->list.items[i];

        if (strcmp(f->code, "type") == 0 && f->severity == MQ_SEVERITY_WARNING) {
            f->severity = MQ_SEVERITY_ERROR;
            c->fs->n_errors++;
            c->fs->n_warnings--;
        }
    }
}

mq_status mq_check_target(mq_model *m, const mq_target *target, mq_findings *fs, mq_error *err)
{
    mq_status rc = MQ_OK;
    checker c = { .m = m, .target = target, .fs = fs };

    for (const char *const *name = target->also; name && *name; name++)
        MQ_TRY(mq_check_target(m, mq_target_find(*name), fs, err));
    check_versions(&c);
    if (target->static_shapes)
        check_shapes(&c);
    if (m->graph)
        MQ_TRY(mq_nodes_visit(m->graph, check_node, &c));
    for (size_t i = 0; i < m->n_functions; i++)
        MQ_TRY(mq_nodes_visit(m->functions[i]->body, check_node, &c));
    if (target->typed)
        raise_types(&c);
    if (fs->failed)
        MQ_TRY(mq_oom(err));
done:
    return rc;
}
