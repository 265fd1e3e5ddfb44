/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The table of types that `mq quantize --list-types` prints. */
#include <stdlib.h>

#include "base/compiler.h"
#include "base/dtype.h"
#include "base/str.h"
#include "mq/quantize.h"

static const struct {
    mq_dtype type;
    const char *suits, *taken_by;
} rows[] = {
    { MQ_INT8, "every model; nearly no loss per channel", "all" },
    { MQ_UINT8, "ranges of one sign", "onnxruntime, c" },
    { MQ_INT4, "large MatMul layers", "onnxruntime" },
    { MQ_UINT4, "large MatMul layers", "onnxruntime" },
    { MQ_INT2, "trained for it; sign times scale", "onnxruntime" },
    { MQ_UINT2, "trained for it", "onnxruntime" },
    { MQ_INT16, "what loses too much at 8 bits", "onnxruntime" },
    { MQ_UINT16, "what loses too much at 8 bits", "onnxruntime" },
};

/* The version of DequantizeLinear that has the type, with a scale per channel or block. */
static int opset_of(mq_dtype t)
{
    return mq_dtype_bits(t) == 2 ? 25 : mq_dtype_bits(t) == 8 ? 13 : 21;
}

char *mq_quantize_list_types(void)
{
    mq_str s = { 0 };

    mq_str_add(&s, "type    bytes per weight  opset  suits                                    taken by\n");
    for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++) {
        mq_dtype t = rows[i].type;
        int bits = mq_dtype_bits(t);
        double scale = bits <= 4 ? 4.0 / 32 + (double)bits / 8 / 32 : 0; /* and a zero point per block */
        mq_str_addf(&s, "%-6s  %16.3f  %5d  %-39s  %s\n", mq_dtype_name(t), (double)bits / 8 + scale, opset_of(t),
                    rows[i].suits, rows[i].taken_by);
    }
    mq_str_add(&s, "\nBytes: types of 2 and 4 bits with a float scale and a zero point per block of 32 (--block-size), the\n"
                   "others with a scale per channel, which hardly counts. Opset: what DequantizeLinear needs for it;\n"
                   "--format nbits (2, 4 and 8 bits, onnxruntime only) needs none of it.\n");
    if (s.failed) {
        mq_str_release(&s);
        return NULL;
    }
    return s.s;
}
