/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Integer convolutions with ranges found at run time (ConvInteger) are several times slower than float ones in ONNX
 * Runtime; integer matrix products are faster. So the share of Conv decides what is said. */
#include "quant/mode.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "ops/ops.h"
#include "quant/targets.h"

static int64_t macs_of(const mq_node *n)
{
    const mq_op_rule *rule = mq_rule_find(mq_domain_norm(n->domain), n->op_type);
    return rule && rule->macs ? rule->macs(n) : -1;
}

/* Are the multiplications of all operators known? */
static bool all_known(const mq_quant_plan *plan)
{
    for (size_t i = 0; i < plan->items.n; i++) {
        const mq_quant_item *it = plan->items.items[i];
        for (size_t k = 0; it->stay == MQ_STAY_NOT && !it->embedding && k < it->value->uses.n; k++)
            if (macs_of(it->value->uses.items[k].node) < 0)
                return false;
    }
    return true;
}

mq_quant_work mq_quant_work_of(const mq_quant_plan *plan)
{
    mq_quant_work w = { .most = "" };
    bool known = all_known(plan);
    double most = 0;

    for (size_t i = 0; i < plan->items.n; i++) {
        const mq_quant_item *it = plan->items.items[i];
        double sum = 0;
        bool conv;
        if (it->stay != MQ_STAY_NOT || it->embedding)
            continue;
        for (size_t k = 0; k < it->value->uses.n; k++)
            sum += known ? (double)macs_of(it->value->uses.items[k].node) : 1;
        conv = strncmp(it->op_type, "Conv", 4) == 0;
        *(conv ? &w.conv : &w.other) += sum;
        if (it->treatment == MQ_TREAT_DYNAMIC)
            *(conv ? &w.dynamic_conv : &w.dynamic_other) += sum;
        if (sum > most) {
            most = sum;
            w.most = it->op_type;
        }
    }
    return w;
}

static bool is_mostly_conv(double conv, double other)
{
    return conv > other;
}

void mq_quant_mode_warn(const mq_quant_work *w, const mq_hooks *hooks)
{
    if (is_mostly_conv(w->dynamic_conv, w->dynamic_other))
        mq_warn(hooks, "dynamic-conv-slow", "",
                "the work is mostly Conv (%.0f%%), which --mode dynamic makes slower than float in ONNX Runtime: --mode "
                "weight is as small and computes in float, --exclude-op-types Conv leaves convolutions alone",
                100 * w->dynamic_conv / (w->dynamic_conv + w->dynamic_other));
}

/* "3.9 times smaller"; a share where that would be "1.0 times". */
static void add_size(mq_str *out, uint64_t before, uint64_t after)
{
    double b = (double)before, a = (double)after;

    if (after && b >= 1.1 * a)
        mq_str_addf(out, "%.1f times smaller", b / a);
    else
        mq_str_addf(out, "%.1f%% %s", before ? 100 * fabs(b - a) / b : 0.0, after > before ? "larger" : "smaller");
}

/* It knows fast convolutions for constant weights only, and those behind DequantizeLinear are none unless it is told to
 * dequantize when it loads. */
static bool for_onnxruntime(const mq_quantize_opts *o)
{
    return !o->target || strncmp(o->target, "onnx", 4) == 0; /* the standard's operators, or its own */
}

void mq_quant_mode_note(mq_str *out, const mq_quant_work *w, const mq_quantize_opts *o, uint64_t before, uint64_t after)
{
    bool is_8_bits = mq_dtype_bits(mq_dtype_from_name(o->type)) == 8;

    mq_str_add(out, "weights only: ");
    add_size(out, before, after);
    mq_str_add(out, ", not faster");
    if (is_mostly_conv(w->conv, w->other))
        mq_str_addf(out, " (most of the work is Conv: --mode dynamic would be slower%s)",
                    for_onnxruntime(o) ? "; ONNX Runtime needs session.disable_quant_qdq=1 to be as fast" : "");
    else if (w->other > 0 && mq_quant_target_dynamic(o->target) && o->format == MQ_FORMAT_QDQ)
        mq_str_addf(out, " (most of the work is %s: for speed try --mode dynamic%s)", w->most,
                    is_8_bits ? "" : " with --type int8");
}
