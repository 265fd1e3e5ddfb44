/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The text of `mq help TOPIC`. */
#include "topics.h"

#include <stddef.h>

static const char types[] =
    "Types of quantized weights (--type)\n"
    "\n"
    "  int8    symmetric, -127 to 127, one scale per output channel (--per-tensor: one per tensor)\n"
    "\n"
    "A weight w is stored as q = round(w / scale) and read back by a DequantizeLinear node as q * scale, so that every\n"
    "runtime that knows DequantizeLinear (opset 13 for scales per channel) takes the model. Rounding is to the nearest,\n"
    "ties to even. The error of each tensor is in the report.\n"
    "\n"
    "Sizes are given in bytes or with K, M and G of 1024; ratios as 0.5 or 50%.\n";

static const char targets[] =
    "Targets (--target): the runtime that has to take the model\n"
    "\n"
    "  onnx         whatever the ONNX specification allows (the default)\n"
    "  onnxruntime  ONNX Runtime, its CPU kernels and its com.microsoft operators\n"
    "  tensorrt     TensorRT's ONNX parser\n"
    "  c            generators of plain C code, without dynamic shapes\n"
    "  portable     what all of these take\n"
    "\n"
    "mq check --target NAME names every node that the target does not take, and why.\n";

static const char exits[] =
    "Exit status\n"
    "\n"
    "  0  done; every bound asked for holds\n"
    "  1  done, but a bound is missed, check has findings, or --strict and there was a warning;\n"
    "     reports are written, the model is not put in place (--keep-failed FILE puts it there)\n"
    "  2  the command line: unknown option, bad value, contradiction, pattern without a match, output exists (-f)\n"
    "  3  an input: missing, unreadable, not a model, corrupt, invalid graph (for check that is a finding: 1)\n"
    "  4  unsupported, or nothing to do\n"
    "  5  the system: cannot write, disk full, out of memory\n"
    "\n"
    "SIGINT, SIGTERM, SIGHUP and SIGPIPE: temporary files are removed, then the process dies of the same signal, so\n"
    "that shell loops and make stop.\n";

const mq_topic mq_topics[] = { { "types", types }, { "targets", targets }, { "exit", exits }, { NULL, NULL } };
