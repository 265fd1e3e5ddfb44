/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Quantized tensors in few lines, for tests of passes. Include it after pass_check.h. */
#ifndef MQ_TESTS_QDQ_MAKE_H
#define MQ_TESTS_QDQ_MAKE_H

/* Scale and zero point "<name>_s" and "<name>_z". */
static inline void make_parameters(const char *name, mq_dtype dtype, float scale, int zero)
{
    char s[40], z[40];

    snprintf(s, sizeof s, "%s_s", name);
    snprintf(z, sizeof z, "%s_z", name);
    make_float(s, scale);
    make_byte(z, dtype, zero);
}

/* q -> DequantizeLinear -> f, by the parameters of that name. */
static inline mq_node *dequantize(const char *q, const char *f, const char *parameters)
{
    char in[120];

    snprintf(in, sizeof in, "%s,%s_s,%s_z", q, parameters, parameters);
    return make_node(g, "DequantizeLinear", in, f);
}

static inline mq_node *quantize(const char *f, const char *q, const char *parameters)
{
    char in[120];

    snprintf(in, sizeof in, "%s,%s_s,%s_z", f, parameters, parameters);
    return make_node(g, "QuantizeLinear", in, q);
}

/* An input of integers "<name>_q" and what it stands for, "<name>". */
static inline void make_quantized(const char *name, mq_dtype dtype, const char *dims, float scale, int zero)
{
    char q[40];

    snprintf(q, sizeof q, "%s_q", name);
    make_input(g, q, dtype, dims);
    make_parameters(name, dtype, scale, zero);
    dequantize(q, name, name);
}

/* The same as a constant, with a scale per slice of `axis` (of `channels`), without a zero point. */
static inline void make_weights(const char *name, mq_dtype dtype, const char *dims, const char *channels, int axis)
{
    char q[40], s[40], in[100];

    snprintf(q, sizeof q, "%s_q", name);
    snprintf(s, sizeof s, "%s_s", name);
    snprintf(in, sizeof in, "%s,%s", q, s);
    make_random(q, dtype, dims);
    make_positive(s, channels, 0.01f);
    node_int(make_node(g, "DequantizeLinear", in, name), "axis", axis);
}

#endif
