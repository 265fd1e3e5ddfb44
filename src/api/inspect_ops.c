/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators: how often, what they cost, who covers them; how the model is quantized already; what to do next. */
#include <stdlib.h>
#include <string.h>

#include "api/inspect_parts.h"
#include "exec/kernel.h"
#include "ops/targets.h"
#include "quant/quant.h"

/* ---- how a model is quantized ------------------------------------------------------------------------------------- */

typedef enum quant_kind { QUANTIZE, DEQUANTIZE, QOPERATOR, DYNAMIC, NBITS, N_QUANT_KINDS } quant_kind;

/* Operators that mean quantization; a name ending in '*' is a prefix. */
static const struct {
    const char *domain; /* NULL: any */
    const char *op_type;
    quant_kind kind;
} quant_ops[] = {
    { NULL, "QuantizeLinear", QUANTIZE },
    { NULL, "DequantizeLinear", DEQUANTIZE },
    { NULL, "QLinear*", QOPERATOR },
    { "com.microsoft", "QGemm", QOPERATOR },
    { "com.microsoft", "QAttention", QOPERATOR },
    { "com.microsoft", "QEmbedLayerNormalization", QOPERATOR },
    { "com.microsoft", "QMoE", QOPERATOR },
    { "com.microsoft", "QOrdered*", QOPERATOR },
    { "", "DynamicQuantizeLinear", DYNAMIC },
    { "", "MatMulInteger", DYNAMIC },
    { "", "ConvInteger", DYNAMIC },
    { "com.microsoft", "MatMulIntegerToFloat", DYNAMIC },
    { "com.microsoft", "DynamicQuantizeMatMul", DYNAMIC },
    { "com.microsoft", "DynamicQuantizeLSTM", DYNAMIC },
    { "com.microsoft", "MatMulNBits", NBITS },
    { "com.microsoft", "MatMulBnb4", NBITS },
    { "com.microsoft", "GatherBlockQuantized", NBITS },
};

static int quant_kind_of(const char *domain, const char *op_type)
{
    for (size_t i = 0; i < MQ_ARRAY_LEN(quant_ops); i++) {
        const char *name = quant_ops[i].op_type;
        size_t n = strlen(name);
        bool same = name[n - 1] == '*' ? strncmp(name, op_type, n - 1) == 0 : strcmp(name, op_type) == 0;
        if (same && (!quant_ops[i].domain || strcmp(quant_ops[i].domain, domain) == 0))
            return (int)quant_ops[i].kind;
    }
    return -1;
}

/* The types of constants that quantized operators read as data: the first input of DequantizeLinear, small integers
 * elsewhere. A bit per type. */
static uint64_t types_read_by(const mq_node *n, int kind)
{
    uint64_t types = 0;

    for (size_t i = 0; i < n->n_inputs && (kind != DEQUANTIZE || i < 1); i++) {
        const mq_tensor *t = n->inputs[i] ? mq_value_constant(n->inputs[i], true) : NULL;
        if (t && mq_dtype_bits(t->dtype) <= 16 && mq_dtype_bits(t->dtype) > 0 && t->n_dims > 0 && t->dtype != MQ_BOOL &&
            t->dtype != MQ_FLOAT16 && t->dtype != MQ_BFLOAT16)
            types |= (uint64_t)1 << t->dtype;
    }
    return types;
}

static mq_status fill_quantization(mq_inspect_ctx *c, const uint64_t *counts, uint64_t types, mq_error *err)
{
    mq_inspect_quantization *q = &c->out->quantization;
    mq_str names = { 0 };

    q->quantize = counts[QUANTIZE];
    q->dequantize = counts[DEQUANTIZE];
    q->qoperator = counts[QOPERATOR];
    q->dynamic = counts[DYNAMIC];
    q->nbits = counts[NBITS];
    for (int t = 0; t < MQ_N_DTYPES; t++)
        if (types >> t & 1)
            mq_str_addf(&names, "%s%s", names.n ? ", " : "", mq_dtype_name((mq_dtype)t));
    for (int k = 0; k < N_QUANT_KINDS; k++)
        c->out->is_quantized |= counts[k] > 0;
    q->types = mq_inspect_keep(c, &names);
    return q->types ? MQ_OK : mq_oom(err);
}

/* ---- operators ---------------------------------------------------------------------------------------------------- */

/* Rows by "domain op_type", filled node by node. */
typedef struct op_rows {
    mq_inspect_op *rows;
    mq_map index; /* -> row */
} op_rows;

static char *op_key(mq_arena *a, const char *domain, const char *op_type)
{
    return mq_arena_printf(a, "%s %s", mq_domain_norm(domain), op_type);
}

/* A deprecated operator is raised to what takes its place before it runs. */
static bool runs(const char *domain, const char *op_type)
{
    const mq_op_schema *newest = *domain ? NULL : mq_schema_find(domain, op_type, mq_schema_newest_opset());

    return mq_kernel_find(domain, op_type) || mq_fast_find(domain, op_type, NULL) || (newest && newest->deprecated);
}

static mq_status make_rows(mq_inspect_ctx *c, op_rows *r, mq_error *err)
{
    size_t n = c->census.ops.n;

    if (!(r->rows = mq_arena_calloc(c->arena, n, sizeof *r->rows)))
        return mq_oom(err);
    for (size_t i = 0; i < n; i++) {
        const mq_census_op *op = &c->census.ops.items[i];
        char *key = op_key(c->arena, op->domain, op->op_type);
        r->rows[i] = (mq_inspect_op){ .domain = op->domain, .op_type = op->op_type, .nodes = op->n, .known = true,
                                      .runs = runs(mq_domain_norm(op->domain), op->op_type) };
        if (!key || !mq_map_put(&r->index, key, &r->rows[i]))
            return mq_oom(err);
    }
    c->out->ops = r->rows;
    c->out->n_ops = n;
    return MQ_OK;
}

/* Float weights of a node that nobody before it has used count here; a shared weight counts once. */
static void count_weights(mq_inspect_ctx *c, const mq_node *n, mq_inspect_op *row)
{
    for (size_t i = 0; i < n->n_inputs; i++) {
        const mq_value *v = n->inputs[i];
        const mq_tensor *t = v ? mq_value_constant(v, true) : NULL;
        int64_t bytes = t && mq_dtype_is_float(t->dtype) ? mq_tensor_size(t) : 0;
        if (bytes <= 0 || v->uses.n == 0 || v->uses.items[0].node != n || v->uses.items[0].index != i)
            continue;
        row->weight_bytes += (uint64_t)bytes;
        c->out->float_bytes += (uint64_t)bytes;
    }
}

/* What the quantizer would change when asked for nothing special. */
static mq_status count_quantizable(mq_inspect_ctx *c, const op_rows *r, mq_error *err)
{
    const mq_quantize_opts opts = mq_quantize_opts_default();
    mq_quant_plan plan = { .model = c->model, .opts = &opts };
    mq_status rc = mq_quant_select(&plan, NULL, err);

    for (size_t i = 0; rc == MQ_OK && i < plan.items.n; i++) {
        const mq_quant_item *item = plan.items.items[i];
        if (item->stay != MQ_STAY_NOT)
            continue;
        c->out->quantizable_tensors++;
        c->out->quantizable_bytes += item->bytes_before;
        for (size_t k = 0; k < item->value->uses.n; k++) {
            const mq_node *n = item->value->uses.items[k].node;
            char *key = op_key(c->arena, n->domain, n->op_type);
            mq_inspect_op *row = key ? mq_map_get(&r->index, key) : NULL;
            if (row)
                row->quantizable = true;
        }
    }
    mq_quant_plan_release(&plan);
    return rc;
}

/* MACs of the node alone: of graphs inside it and of functions, their own nodes count. */
static void count_own_macs(const mq_node *n, mq_inspect_op *row)
{
    const mq_op_rule *rule = mq_rule_find(mq_domain_norm(n->domain), n->op_type);
    int64_t macs = rule && rule->macs ? rule->macs(n) : 0;

    if (macs < 0)
        row->macs_unknown++;
    else if (__builtin_add_overflow(row->macs, (uint64_t)macs, &row->macs))
        row->macs = UINT64_MAX;
}

mq_status mq_inspect_ops(mq_inspect_ctx *c, mq_error *err)
{
    op_rows r = { 0 };
    uint64_t counts[N_QUANT_KINDS] = { 0 }, types = 0;
    mq_status rc;

    MQ_TRY(make_rows(c, &r, err));
    for (size_t i = 0; i < c->model->graphs.n; i++) {
        const mq_graph *g = c->model->graphs.items[i];
        for (const mq_node *n = mq_graph_is_live(g) ? g->first : NULL; n; n = n->next) {
            int kind = quant_kind_of(mq_domain_norm(n->domain), n->op_type);
            char *key = op_key(c->arena, n->domain, n->op_type);
            mq_inspect_op *row = key ? mq_map_get(&r.index, key) : NULL;
            if (!row)
                MQ_TRY(mq_oom(err));
            if (kind >= 0) {
                counts[kind]++;
                types |= types_read_by(n, kind);
            }
            if (mq_node_function(n))
                row->runs = true;
            else if (!mq_node_schema(n))
                row->known = false;
            count_weights(c, n, row);
            count_own_macs(n, row);
        }
    }
    MQ_TRY(fill_quantization(c, counts, types, err));
    MQ_TRY(count_quantizable(c, &r, err));
done:
    mq_map_release(&r.index);
    return rc;
}

/* ---- targets ------------------------------------------------------------------------------------------------------ */

/* "onnx" is every valid model, "portable" all of these together. */
static const char *const shown_targets[] = { "onnxruntime", "tensorrt", "c" };

/* The operator in a finding's place, "node 'n' (Op)": without it, its end. */
static const char *op_of_place(const char *place, size_t *n)
{
    const char *open = strrchr(place, '('), *close = open ? strchr(open, ')') : NULL;

    *n = close ? (size_t)(close - open - 1) : 0;
    return close ? open + 1 : "";
}

/* Splits the findings of a target into operators that it lacks, each once, and others. */
static mq_status fill_target(mq_inspect_ctx *c, const mq_findings *fs, mq_inspect_target *out, mq_error *err)
{
    mq_str lacks = { 0 };
    mq_map seen = { 0 };
    uint64_t n_ops = 0;

    out->first = "";
    for (size_t i = 0; i < fs->list.n; i++) {
        const mq_finding *f = &fs->list.items[i];
        size_t n;
        const char *op = op_of_place(f->place, &n);
        char *name = mq_arena_printf(c->arena, "%.*s", (int)n, op);
        if (strcmp(f->code, "target-op") != 0 && strcmp(f->code, "target-domain") != 0) {
            if (!*out->first && !(out->first = mq_arena_strdup(c->arena, f->text)))
                lacks.failed = true;
            continue;
        }
        n_ops++;
        lacks.failed |= !name;
        if (!name || mq_map_get(&seen, name))
            continue;
        mq_str_addf(&lacks, "%s%s", lacks.n ? ", " : "", name);
        lacks.failed |= !mq_map_put(&seen, name, name);
    }
    mq_map_release(&seen);
    out->n_others = fs->n_errors - n_ops;
    out->lacks = mq_inspect_keep(c, &lacks);
    return out->lacks && out->first ? MQ_OK : mq_oom(err);
}

mq_status mq_inspect_targets(mq_inspect_ctx *c, mq_error *err)
{
    mq_inspect_target *list = mq_arena_calloc(c->arena, MQ_ARRAY_LEN(shown_targets), sizeof *list);
    mq_status rc = list ? MQ_OK : mq_oom(err);

    for (size_t i = 0; i < MQ_ARRAY_LEN(shown_targets) && rc == MQ_OK; i++) {
        const mq_target *target = mq_target_find(shown_targets[i]);
        mq_findings fs = { 0 };
        if (!target)
            continue;
        list[c->out->n_targets].name = target->name;
        rc = mq_check_target(c->model, target, &fs, err);
        if (rc == MQ_OK)
            rc = fill_target(c, &fs, &list[c->out->n_targets++], err);
        mq_findings_release(&fs);
    }
    c->out->targets = list;
    return rc;
}

/* ---- what next ---------------------------------------------------------------------------------------------------- */

/* "dir/model.onnx" -> "dir/model.int8.onnx". */
static const char *int8_name(mq_inspect_ctx *c, const char *path)
{
    static const char *const endings[] = { ".onnx.gz", ".onnx", ".ort", ".pb", ".parts.json" };
    size_t n = strlen(path);

    for (size_t i = 0; i < MQ_ARRAY_LEN(endings); i++) {
        size_t m = strlen(endings[i]);
        if (n > m && strcmp(path + n - m, endings[i]) == 0)
            return mq_arena_printf(c->arena, "%.*s.int8.onnx", (int)(n - m), path);
    }
    return mq_arena_printf(c->arena, "%s.int8.onnx", path);
}

/* A word of a shell command: in quotes when a shell would not take it as it is. */
static const char *shell_word(mq_inspect_ctx *c, const char *s)
{
    mq_str q = { 0 };

    if (*s && *s != '-' &&
        strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+:,@%=") == strlen(s))
        return s;
    mq_str_add(&q, "'");
    for (; *s; s++)
        if (*s == '\'')
            mq_str_add(&q, "'\\''");
        else
            mq_str_add_n(&q, s, 1);
    mq_str_add(&q, "'");
    return mq_inspect_keep(c, &q);
}

mq_status mq_inspect_next(mq_inspect_ctx *c, mq_error *err)
{
    const mq_inspection *o = c->out;
    const char *path = o->path[0] && strcmp(o->path, "-") != 0 ? o->path : "model.onnx";
    const char *model = shell_word(c, path), *int8 = int8_name(c, path);

    if (!model || !int8 || !(int8 = shell_word(c, int8)))
        return mq_oom(err);
    if (o->n_errors || o->is_quantized || o->quantizable_tensors == 0)
        c->out->next = mq_arena_printf(c->arena, "mq check %s", model);
    else
        c->out->next = mq_arena_printf(c->arena, "mq quantize %s -o %s", model, int8);
    return c->out->next ? MQ_OK : mq_oom(err);
}
