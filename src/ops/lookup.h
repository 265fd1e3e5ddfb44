/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq::Lookup, an operator that the engine makes for itself: input 0 of int8 or uint8, input 1 a table of 256 elements of
 * int8 or uint8, which is the result's type. Each byte of the input, taken as unsigned, says which entry the result has at
 * its place. A table of [C, 256] has one for each of C channels, axis 1 of the input. Never written to a file. */
#ifndef MQ_OPS_LOOKUP_H
#define MQ_OPS_LOOKUP_H

#define MQ_LOOKUP_DOMAIN "mq"
#define MQ_LOOKUP_OP "Lookup"
#define MQ_LOOKUP_SIZE 256

#endif
