/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The program of mq::ElementwiseChain, an operator that the engine makes for itself: several element-wise operators run as
 * one. Never written to a file.
 *
 * Registers: the node's inputs (all there), then the result of each step. A step computes one element of its result from
 * the same element of its operands; operands are broadcast as ONNX does it. Attribute `program` has MQ_CHAIN_WORDS
 * integers per step: the operator, three operands (registers made before; -1: none), and the bits of two floats, which are
 * the operator's attributes. Attribute `results` has the register of each output. Float and double: all values of a chain
 * have one of these types, beside conditions, which are bool. */
#ifndef MQ_OPS_CHAIN_H
#define MQ_OPS_CHAIN_H

#define MQ_CHAIN_DOMAIN "mq"
#define MQ_CHAIN_OP "ElementwiseChain"
#define MQ_CHAIN_WORDS 6
#define MQ_CHAIN_STEPS 64  /* at most */
#define MQ_CHAIN_INPUTS 24
#define MQ_CHAIN_OUTPUTS 4

/* What a step can be. The comments say what the two floats are. */
typedef enum mq_chain_step {
    MQ_CHAIN_ABS,
    MQ_CHAIN_CEIL,
    MQ_CHAIN_ERF,
    MQ_CHAIN_EXP,
    MQ_CHAIN_FLOOR,
    MQ_CHAIN_LOG,
    MQ_CHAIN_NEG,
    MQ_CHAIN_RECIPROCAL,
    MQ_CHAIN_RELU,
    MQ_CHAIN_ROUND,
    MQ_CHAIN_SQRT,
    MQ_CHAIN_TANH,
    MQ_CHAIN_CELU, /* alpha; this and what follows it up to TANH_GELU: float alone */
    MQ_CHAIN_ELU,  /* alpha */
    MQ_CHAIN_GELU,
    MQ_CHAIN_HARD_SIGMOID, /* alpha, beta */
    MQ_CHAIN_HARD_SWISH,
    MQ_CHAIN_LEAKY_RELU, /* alpha */
    MQ_CHAIN_MISH,
    MQ_CHAIN_SELU, /* alpha, gamma */
    MQ_CHAIN_SIGMOID,
    MQ_CHAIN_SOFTPLUS,
    MQ_CHAIN_SOFTSIGN,
    MQ_CHAIN_SWISH,            /* alpha */
    MQ_CHAIN_THRESHOLDED_RELU, /* alpha */
    MQ_CHAIN_TANH_GELU,
    MQ_CHAIN_ADD, /* two operands from here on */
    MQ_CHAIN_DIV,
    MQ_CHAIN_MAX,
    MQ_CHAIN_MIN,
    MQ_CHAIN_MUL,
    MQ_CHAIN_POW,
    MQ_CHAIN_PRELU,
    MQ_CHAIN_SUB,
    MQ_CHAIN_EQUAL, /* comparisons: the result is bool */
    MQ_CHAIN_GREATER,
    MQ_CHAIN_GREATER_OR_EQUAL,
    MQ_CHAIN_LESS,
    MQ_CHAIN_LESS_OR_EQUAL,
    MQ_CHAIN_CLIP,  /* x, least, most: each bound one number, or absent */
    MQ_CHAIN_WHERE, /* a condition (bool), and two */
    MQ_CHAIN_KINDS,
} mq_chain_step;

#endif
