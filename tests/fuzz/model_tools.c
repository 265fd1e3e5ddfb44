/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The fuzz target `model`: quantizing, converting and running. Runs are short: a model that says it has much work is
 * not run, and what takes long is stopped between two steps, as a user would. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "lib/rng.h"
#include "model.h"
#include "mq/convert.h"
#include "mq/inspect.h"
#include "mq/quantize.h"
#include "mq/run.h"

#define RESULTS "fuzz-output.npz"

/* Of a run: multiply-accumulates, as far as they are known before it, and steps. */
enum { MOST_WORK = 1 << 22, MOST_STEPS = 2000 };

choices choices_of(const uint8_t *data, size_t size)
{
    choices c = { size };

    for (size_t i = 0; i < size; i++)
        c.state = (c.state ^ data[i]) * 0x100000001b3ULL;
    return c;
}

unsigned choose(choices *c, unsigned n)
{
    return (unsigned)rng_below(&c->state, n);
}

/* ---- work --------------------------------------------------------------------------------------------------------- */

static bool too_late(void *user)
{
    unsigned *asked = user;

    return ++*asked > MOST_STEPS;
}

/* Elements of a tensor, as far as its shape says ("[batch, 3, 8]": 24). */
static double elements(const char *shape)
{
    double n = 1;

    for (const char *at = strpbrk(shape, "0123456789"); at; at = strpbrk(at, "0123456789")) {
        char *end;

        n *= strtod(at, &end);
        at = end;
    }
    return n;
}

/* Is it little work, as far as anybody knows? What sizes do not say only shows in a run. */
static bool little_work(const uint8_t *data, size_t size)
{
    mq_inspection *result = NULL;
    mq_model *m = load(data, size);
    mq_error err = { 0 };
    bool little = false;

    if (m && mq_inspect(m, NULL, NULL, NULL, &result, &err) == MQ_OK)
        little = result->macs < MOST_WORK;
    for (size_t i = 0; little && i < result->n_inputs; i++)
        little = elements(result->inputs[i].shape) < MOST_WORK;
    mq_inspection_free(result);
    mq_model_free(m);
    return little;
}

/* ---- quantize ----------------------------------------------------------------------------------------------------- */

static void draw_form(mq_quantize_opts *o, choices *c)
{
    static const char *const types[] = { "int8", "uint8", "int4", "uint4", "int2", "uint2", "int16", "uint16" };
    static const char *const targets[] = { "onnx", "onnxruntime", "tensorrt", "c", "portable", "onnxruntime,x64-avx2" };

    o->mode = choose(c, MQ_MODE_STATIC + 1);
    o->type = types[choose(c, 2) ? choose(c, 2) : choose(c, MQ_ARRAY_LEN(types))];
    o->ends_type = types[choose(c, MQ_ARRAY_LEN(types))];
    o->format = choose(c, MQ_FORMAT_NBITS + 1);
    o->target = targets[choose(c, 2) ? 0 : choose(c, MQ_ARRAY_LEN(targets))];
    o->block_size = 16 << choose(c, 5);
    o->block_fallback = choose(c, MQ_BLOCK_ADJUST + 1);
    o->accuracy_level = (int)choose(c, 5);
}

/* One sample, where a run is little work; without data static quantization is refused. */
static void draw_static(mq_quantize_opts *o, bool runs, choices *c)
{
    static const char *const types[] = { NULL, "uint8", "int8", "uint16", "int16" };
    static const char *const data[] = { "random:1" };

    o->act_type = types[choose(c, MQ_ARRAY_LEN(types))];
    o->act_symmetric = choose(c, MQ_CHOICE_YES + 1);
    o->calibration = choose(c, MQ_CALIBRATION_MSE + 1);
    o->calibrate_on.data = data;
    o->calibrate_on.n_data = runs && o->mode == MQ_MODE_STATIC;
}

static void draw_values(mq_quantize_opts *o, choices *c)
{
    o->per_tensor = choose(c, 2);
    o->symmetric = choose(c, MQ_CHOICE_YES + 1);
    o->reduce_range = choose(c, MQ_CHOICE_YES + 1);
    o->algorithm = choose(c, 2) ? MQ_ALGORITHM_RTN : (mq_algorithm)choose(c, MQ_ALGORITHM_HQQ + 1);
    if (o->algorithm == MQ_ALGORITHM_RTN)
        o->range = choose(c, MQ_RANGE_STDDEV + 1);
    o->range_lo = -(float)choose(c, 4);
    o->range_hi = (float)choose(c, 4);
    o->range_k = (float)(1 + choose(c, 4));
    o->opset = choose(c, 4) ? 0 : 13 + (int)choose(c, 12);
    o->save.external = choose(c, 4) ? MQ_EXTERNAL_AUTO : MQ_EXTERNAL_FILE;
}

/* The bound on the size cannot hold, so that nothing is put in place. */
void quantize(const uint8_t *data, size_t size, bool clean, choices *c)
{
    mq_quantize_opts opts = mq_quantize_opts_default();
    mq_report *report = new_report("quantize");
    unsigned steps = 0;
    const mq_hooks hooks = { .user = &steps, .cancelled = too_late };
    const bool runs = little_work(data, size);
    mq_error err = { 0 };
    int fd = file_of(data, size);
    char input[64];
    mq_status rc;

    snprintf(input, sizeof input, "/proc/self/fd/%d", fd);
    if (choose(c, 4)) { /* else as nobody asks for anything */
        draw_form(&opts, c);
        draw_values(&opts, c);
        draw_static(&opts, runs, c);
    }
    opts.bounds.limits.max_size = 1;
    opts.requantize = choose(c, 2);
    opts.dry_run = choose(c, 16) == 0;
    opts.verify = runs ? MQ_VERIFY_AUTO : MQ_VERIFY_LOAD;
    rc = mq_quantize_file(input, OUTPUT, &opts, report, &hooks, &err);
    if (rc == MQ_ERR_SYSTEM || rc == MQ_ERR_NOMEM)
        broken("a quantized model is written and valid", &err);
    if (rc == MQ_ERR_INPUT && clean && opts.mode != MQ_MODE_STATIC) /* which runs it, on numbers it may refuse */
        broken("a model without findings is not refused", &err);
    if (rc != MQ_OK && !err.text[0])
        broken("a failure has a sentence", &err);
    if (rc == MQ_OK)
        render(report);
    mq_report_free(report);
    close(fd);
}

/* ---- convert ------------------------------------------------------------------------------------------------------ */

/* The bound on the size cannot hold, so that nothing is put in place. What is written is read again and checked, and run
 * beside the input where that is little work: outputs may differ (numbers nobody made for float16), the model has to be
 * valid. */
void convert(const uint8_t *data, size_t size, bool clean, choices *c)
{
    mq_convert_opts opts = mq_convert_opts_default();
    mq_report *report = new_report("convert");
    unsigned steps = 0;
    const mq_hooks hooks = { .user = &steps, .cancelled = too_late };
    mq_error err = { 0 };
    int fd = file_of(data, size);
    char input[64];
    mq_status rc;

    snprintf(input, sizeof input, "/proc/self/fd/%d", fd);
    opts.level = (int)choose(c, 4);
    opts.precision = choose(c, 2) ? MQ_PRECISION_KEEP : (mq_precision_kind)choose(c, MQ_PRECISION_BF16 + 1);
    opts.keep_io_types = choose(c, 2);
    opts.opset = choose(c, 4) ? 0 : 7 + (int)choose(c, 20);
    opts.strip = choose(c, 4) ? 0 : choose(c, 8);
    opts.fold_limit = choose(c, 2) ? opts.fold_limit : choose(c, 4096);
    opts.max_size = 1;
    opts.verify = little_work(data, size) ? MQ_VERIFY_AUTO : MQ_VERIFY_LOAD;
    rc = mq_convert_file(input, OUTPUT, &opts, report, &hooks, &err);
    if (rc == MQ_ERR_SYSTEM || rc == MQ_ERR_NOMEM)
        broken("a converted model is written and valid", &err);
    if (rc == MQ_ERR_INPUT && clean)
        broken("a model without findings is not refused", &err);
    if (rc != MQ_OK && !err.text[0])
        broken("a failure has a sentence", &err);
    if (rc == MQ_OK)
        render(report);
    mq_report_free(report);
    close(fd);
}

/* ---- run ---------------------------------------------------------------------------------------------------------- */

static void read_result(void *user, const mq_run_result *result)
{
    const uint8_t *bytes = result->view.data;
    uint8_t *sum = user;

    for (size_t i = 0; result->is_tensor && i < result->view.n_bytes; i++)
        *sum ^= bytes[i];
}

/* The model on data that are made for it; results are looked at, and sometimes saved. */
static void run_once(mq_model *m, choices *c)
{
    static const char *const all[] = { "*" }, *const some[] = { "random:3" };
    unsigned steps = 0;
    const mq_hooks hooks = { .user = &steps, .cancelled = too_late };
    mq_report *report = new_report("run");
    mq_error err = { 0 };
    uint8_t sum = 0;
    mq_run_opts opts = { .result = read_result, .user = &sum, .tensors = all, .n_tensors = choose(c, 2), .force = true };
    mq_status rc;

    opts.source.data = some;
    opts.source.n_data = choose(c, 2);
    opts.save = choose(c, 4) ? NULL : RESULTS;
    rc = mq_run(m, &opts, report, &hooks, NULL, &err);
    if (rc != MQ_OK && !err.text[0])
        broken("a failure has a sentence", &err);
    unlink(RESULTS);
    mq_report_free(report);
}

/* A model agrees with itself: what is compared is equal, NaN included. */
static void run_against_itself(mq_model *m, const uint8_t *data, size_t size)
{
    unsigned steps = 0;
    const mq_hooks hooks = { .user = &steps, .cancelled = too_late };
    mq_against_opts opts = mq_against_opts_default();
    mq_against_result *result = NULL;
    mq_model *same = load(data, size);
    mq_error err = { 0 };

    opts.has_tolerance = true;
    opts.atol = opts.rtol = 0;
    if (mq_check_against(m, same, &opts, NULL, &hooks, &result, &err) == MQ_OK)
        for (size_t i = 0; i < result->n_tensors; i++)
            if (result->tensors[i].differ && result->tensors[i].nonfinite == 0)
                broken("a model agrees with itself", &(mq_error){ 0 });
    mq_against_result_free(result);
    mq_model_free(same);
}

void run_model(const uint8_t *data, size_t size, choices *c)
{
    mq_model *m;

    if (!little_work(data, size))
        return;
    m = load(data, size);
    if (choose(c, 2))
        run_once(m, c);
    else
        run_against_itself(m, data, size);
    mq_model_free(m);
}
