/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One row per runtime, with what quantized weights may look like there. What a runtime takes besides that, operator by
 * operator, is in ops/targets.c. */
#include "quant/targets.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "quant/filters.h"
#include "quant/io_type.h"

typedef struct row {
    const char *name;
    bool only_int8;      /* and float */
    bool only_8_bits;
    bool zero_points_zero;
    bool standard;       /* no operators of com.microsoft */
    bool no_blocks;
    bool no_dynamic;
    bool float_bias;     /* int32 biases are not taken */
    bool own_products;   /* its integer products are plain C or of its own device: nothing saturates */
    const char *text;
} row;

/* TensorRT: zero points are 0, weights behind DequantizeLinear are int8 (its Working with Quantized Types), no
 * DynamicQuantizeLinear and no MatMulInteger (operator list of onnx-tensorrt). C: onnx2c's DequantizeLinear has an axis but
 * no blocks, and types of whole bytes. */
static const row rows[] = {
    { .name = "onnx", .text = "standard operators, the whole range of the type; any --type, --mode and --format" },
    { .name = "onnxruntime", .text = "ONNX Runtime on a CPU: the same, and --format nbits for its own kernels" },
    { .name = "tensorrt", .only_int8 = true, .zero_points_zero = true, .standard = true, .no_blocks = true,
      .no_dynamic = true, .own_products = true, .float_bias = true,
      .text = "TensorRT: --type int8 --symmetric, --act-type int8 --act-symmetric, --format qdq, no --mode dynamic" },
    { .name = "c", .only_8_bits = true, .standard = true, .no_blocks = true, .own_products = true,
      .text = "generators of C code (onnx2c): types of 8 bits, --format qdq, no blocks" },
    { .name = "portable", .only_int8 = true, .zero_points_zero = true, .standard = true, .no_blocks = true,
      .no_dynamic = true, .own_products = true, .float_bias = true, .text = "what all of these take: as tensorrt" },
};

typedef enum cpu { CPU_ANY, CPU_AVX2, CPU_VNNI, CPU_ARM64, CPU_NATIVE, N_CPUS } cpu;

static const struct {
    const char *name, *text;
} cpus[N_CPUS] = {
    [CPU_ANY] = { "", "" },
    [CPU_AVX2] = { "x64-avx2", "x86 without VNNI, where sums of two products saturate in 16 bits: 7 bits of int8\n"
                               "               weights (--reduce-range) with --mode dynamic; with static where sums can" },
    [CPU_VNNI] = { "x64-vnni", "x86 with VNNI (AVX-512 VNNI, AVX-VNNI): the whole range" },
    [CPU_ARM64] = { "arm64", "64-bit ARM: the whole range" },
    [CPU_NATIVE] = { "native", "the CPU that mq runs on" },
};

/* The row of "RUNTIME[,CPU]"; NULL: there is none of that name. */
static const row *find_row(const char *target)
{
    size_t n = strcspn(target ? target : "onnx", ",");

    for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++)
        if (strlen(rows[i].name) == n && strncmp(rows[i].name, target ? target : "onnx", n) == 0)
            return &rows[i];
    return NULL;
}

static bool has_vnni(void)
{
#if defined(__x86_64__) || defined(__i386__)
    unsigned a, b, c, d;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return false;
    if (c & (1u << 11)) /* AVX512_VNNI */
        return true;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4)); /* AVX-VNNI */
#else
    return false;
#endif
}

static cpu native_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return has_vnni() ? CPU_VNNI : CPU_AVX2;
#else
    return has_vnni() ? CPU_VNNI : CPU_ARM64;
#endif
}

static mq_status find_target(const char *target, const row **r, cpu *c, mq_error *err)
{
    const char *comma = target ? strchr(target, ',') : NULL;

    *c = CPU_ANY;
    if (!(*r = find_row(target)))
        return mq_fail(err, MQ_ERR_USAGE, "--target is onnx, onnxruntime, tensorrt, c or portable, not '%.*s'",
                       (int)strcspn(target, ","), target);
    for (cpu i = CPU_AVX2; comma && i < N_CPUS; i++)
        if (strcmp(cpus[i].name, comma + 1) == 0)
            *c = i;
    if (comma && *c == CPU_ANY)
        return mq_fail(err, MQ_ERR_USAGE, "--target: the CPU is x64-avx2, x64-vnni, arm64 or native, not '%s'", comma + 1);
    if (*c == CPU_NATIVE)
        *c = native_cpu();
    return MQ_OK;
}

mq_status mq_quant_target_type(const char *target, const char *what, mq_dtype type, mq_error *err)
{
    const row *r = find_row(target);

    if (!r || type == MQ_FLOAT)
        return MQ_OK;
    if (r->only_int8 && type != MQ_INT8)
        return mq_fail(err, MQ_ERR_USAGE, "%s %s: --target %s takes int8 weights only", what, mq_dtype_name(type), r->name);
    if (r->only_8_bits && mq_dtype_bits(type) != 8)
        return mq_fail(err, MQ_ERR_USAGE, "%s %s: --target %s takes int8 and uint8 weights only", what, mq_dtype_name(type),
                       r->name);
    return MQ_OK;
}

bool mq_quant_target_zero_points(const char *target)
{
    const row *r = find_row(target);
    return !r || !r->zero_points_zero;
}

bool mq_quant_target_blocks(const char *target)
{
    const row *r = find_row(target);
    return !r || !r->no_blocks;
}

bool mq_quant_target_float_bias(const char *target)
{
    const row *r = find_row(target);
    return r && r->float_bias;
}

bool mq_quant_target_dynamic(const char *target)
{
    const row *r = find_row(target);
    return !r || !r->no_dynamic;
}

/* ---- options against each other ------------------------------------------------------------------------------------ */

/* Values that only a program can get wrong: a command line is checked when it is parsed. */
static mq_status check_values(const mq_quantize_opts *o, mq_error *err)
{
    int b = o->block_size;

    if (b < 16 || b > 256 || (b & (b - 1)))
        return mq_fail(err, MQ_ERR_USAGE, "--block-size is a power of two from 16 to 256, not %d", b);
    if (o->accuracy_level < 0 || o->accuracy_level > 4)
        return mq_fail(err, MQ_ERR_USAGE, "--accuracy-level is 0 to 4, not %d", o->accuracy_level);
    if (o->range == MQ_RANGE_FIXED && !(o->range_lo < o->range_hi && o->range_hi - o->range_lo <= 3.4e38f))
        return mq_fail(err, MQ_ERR_USAGE, "--range: %g..%g is no range", (double)o->range_lo, (double)o->range_hi);
    if (o->range == MQ_RANGE_STDDEV && !(o->range_k > 0 && o->range_k <= 1e6f))
        return mq_fail(err, MQ_ERR_USAGE, "--range: stddev=%g is no number of standard deviations", (double)o->range_k);
    return MQ_OK;
}

static mq_status check_pairs(const mq_quantize_opts *o, mq_dtype type, mq_error *err)
{
    static const char *const algorithms[] = { "", "rtn", "mse", "hqq", "awq", "gptq", "adaround" };
    int bits = mq_dtype_bits(type);
    const char *name = mq_dtype_name(type);

    if (o->format == MQ_FORMAT_NBITS && o->per_tensor)
        return mq_fail(err, MQ_ERR_USAGE, "--format nbits has a scale per block: --per-tensor is for --format qdq");
    if (o->format == MQ_FORMAT_NBITS && bits > 8)
        return mq_fail(err, MQ_ERR_USAGE, "--format nbits has types of 2, 4 and 8 bits: --type %s is for --format qdq",
                       name);
    if (o->format == MQ_FORMAT_NBITS && o->mode == MQ_MODE_DYNAMIC)
        return mq_fail(err, MQ_ERR_USAGE, "--mode dynamic and --format nbits are both forms of products: one of them");
    if (o->mode == MQ_MODE_DYNAMIC && bits != 8)
        return mq_fail(err, MQ_ERR_USAGE, "--mode dynamic multiplies 8-bit integers: --type int8 or uint8, not %s", name);
    if (o->reduce_range == MQ_CHOICE_YES && bits != 8)
        return mq_fail(err, MQ_ERR_USAGE, "--reduce-range makes 7 bits of 8: --type int8 or uint8, not %s", name);
    if (o->mode != MQ_MODE_STATIC && o->format == MQ_FORMAT_QOPERATOR)
        return mq_fail(err, MQ_ERR_USAGE, "--format qoperator is for --mode static, which knows the ranges of activations "
                       "(--data)");
    if (o->format == MQ_FORMAT_QOPERATOR && bits != 8)
        return mq_fail(err, MQ_ERR_USAGE, "--format qoperator multiplies 8-bit integers: --type %s is for --format qdq",
                       name);
    if (o->mode == MQ_MODE_STATIC && bits == 2)
        return mq_fail(err, MQ_ERR_USAGE, "--mode static: runtimes have no products of 2 bits: --type %s is for --mode "
                       "weight", name);
    if (o->mode == MQ_MODE_STATIC && o->format == MQ_FORMAT_NBITS)
        return mq_fail(err, MQ_ERR_USAGE, "--format nbits is a form of weights alone: --mode static has qdq");
    if (o->mode == MQ_MODE_STATIC && o->calibration == MQ_CALIBRATION_PERCENTILE &&
        !(o->percentile > 50 && o->percentile <= 100))
        return mq_fail(err, MQ_ERR_USAGE, "--percentile is above 50 and at most 100, not %g", o->percentile);
    if (o->algorithm > MQ_ALGORITHM_RTN && o->range != MQ_RANGE_MINMAX)
        return mq_fail(err, MQ_ERR_USAGE, "--algorithm %s finds ranges itself: --range is for --algorithm rtn",
                       algorithms[o->algorithm]);
    return MQ_OK;
}

static mq_status check_row(const mq_quantize_opts *o, const row *r, mq_dtype type, mq_error *err)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_quant_target_type(r->name, "--type", type, err));
    for (size_t i = 0; i < o->tensor_types.n; i++) {
        const char *eq = strrchr(o->tensor_types.items[i], '=');
        if (eq)
            MQ_TRY(mq_quant_target_type(r->name, "--tensor-type", mq_dtype_from_name(eq + 1), err));
    }
    if (r->zero_points_zero && o->symmetric == MQ_CHOICE_NO)
        rc = mq_fail(err, MQ_ERR_USAGE, "--asymmetric: --target %s takes zero points of 0 only", r->name);
    else if (r->standard && o->format == MQ_FORMAT_QOPERATOR)
        rc = mq_fail(err, MQ_ERR_USAGE, "--format qoperator: --target %s takes qdq", r->name);
    else if (r->standard && o->format == MQ_FORMAT_NBITS)
        rc = mq_fail(err, MQ_ERR_USAGE, "--format nbits: --target %s has no operators of com.microsoft", r->name);
    else if (r->no_dynamic && o->mode == MQ_MODE_DYNAMIC)
        rc = mq_fail(err, MQ_ERR_USAGE, "--mode dynamic: --target %s has no DynamicQuantizeLinear", r->name);
done:
    return rc;
}

/* Types of activations: what the user asks for, or what the target wants. */
static mq_status apply_activations(mq_quantize_opts *o, const row *r, mq_error *err)
{
    const char *said = o->act_type ? "--act-type" : "--io-type"; /* who did, if anybody */
    mq_dtype type;
    mq_status rc;

    if ((rc = mq_io_types_apply(o, err)) != MQ_OK)
        return rc;
    if (!o->act_type)
        o->act_type = r->only_int8 ? "int8" : "uint8";
    type = mq_dtype_from_name(o->act_type);
    if (type != MQ_UINT8 && type != MQ_INT8 && type != MQ_UINT16 && type != MQ_INT16)
        return mq_fail(err, MQ_ERR_USAGE, "--act-type is uint8, int8, uint16 or int16, not '%s'", o->act_type);
    if (o->format == MQ_FORMAT_QOPERATOR && mq_dtype_bits(type) != 8)
        return mq_fail(err, MQ_ERR_USAGE, "--format qoperator multiplies 8-bit integers: %s %s is for --format qdq",
                       said, o->act_type);
    if (o->format == MQ_FORMAT_QOPERATOR && type == MQ_INT8 && strcmp(o->type, "uint8") == 0)
        return mq_fail(err, MQ_ERR_USAGE, "--format qoperator: runtimes multiply no int8 activations by uint8 weights: "
                       "--type int8 or --act-type uint8");
    if (r->only_int8 && type != MQ_INT8)
        return mq_fail(err, MQ_ERR_USAGE, "%s %s: --target %s takes int8 activations only", said, o->act_type, r->name);
    if (r->only_8_bits && mq_dtype_bits(type) != 8)
        return mq_fail(err, MQ_ERR_USAGE, "%s %s: --target %s takes 8-bit activations only", said, o->act_type, r->name);
    if (r->zero_points_zero && o->act_symmetric == MQ_CHOICE_NO)
        return mq_fail(err, MQ_ERR_USAGE, "--act-asymmetric: --target %s takes zero points of 0 only", r->name);
    if (r->zero_points_zero)
        o->act_symmetric = MQ_CHOICE_YES;
    return MQ_OK;
}

/* ONNX Runtime multiplies uint8 by int8 with vpmaddubsw where there is no VNNI: sums of two products saturate at 16 bits
 * (its documentation, "Quantize ONNX models", S8S8 and U8S8). Products of two uint8 are summed in 32 bits. */
static bool may_saturate(const mq_quantize_opts *o, const row *r, mq_dtype type)
{
    return o->mode == MQ_MODE_DYNAMIC && type == MQ_INT8 && !r->own_products;
}

bool mq_quant_target_saturates(const char *target)
{
    const row *r;
    cpu c;

    return find_target(target, &r, &c, NULL) == MQ_OK && c == CPU_AVX2 && !r->own_products;
}

mq_status mq_quant_apply_target(mq_quantize_opts *o, const mq_hooks *hooks, mq_error *err)
{
    const row *r;
    mq_dtype type;
    cpu c;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_quant_type("--type", o->type, false, &type, err));
    MQ_TRY(check_values(o, err));
    MQ_TRY(check_pairs(o, type, err));
    MQ_TRY(find_target(o->target, &r, &c, err));
    MQ_TRY(check_row(o, r, type, err));
    MQ_TRY(apply_activations(o, r, err));
    if (r->zero_points_zero)
        o->symmetric = MQ_CHOICE_YES;
    if (o->reduce_range == MQ_CHOICE_DEFAULT && may_saturate(o, r, type)) {
        if (c == CPU_AVX2)
            o->reduce_range = MQ_CHOICE_YES;
        else if (c == CPU_ANY)
            mq_warn(hooks, "saturation-x86", "",
                    "on x86 CPUs without VNNI products of uint8 and int8 can saturate at 16 bits: --reduce-range or "
                    "--target %s,x64-avx2 use 7 bits; ,x64-vnni or ,arm64 says that there are no such CPUs", r->name);
    }
done:
    return rc;
}

char *mq_quantize_list_targets(void)
{
    mq_str s = { 0 };

    mq_str_add(&s, "--target RUNTIME[,CPU]: defaults of other options, and what is refused\n\nRUNTIME\n");
    for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++)
        mq_str_addf(&s, "  %-12s %s%s\n", rows[i].name, rows[i].text, i ? "" : " (default)");
    mq_str_add(&s, "\nCPU\n");
    for (cpu c = CPU_AVX2; c < N_CPUS; c++)
        mq_str_addf(&s, "  %-12s %s\n", cpus[c].name, cpus[c].text);
    if (s.failed) {
        mq_str_release(&s);
        return NULL;
    }
    return s.s;
}
