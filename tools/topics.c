/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The text of `mq help TOPIC`. */
#include "topics.h"

#include <stddef.h>

#include "mq/quantize.h"

static const char types[] =
    "Types of quantized weights (--type, --ends-type, --tensor-type)\n"
    "\n"
    "A weight w is stored as q = round(w / scale) + zero_point, kept within the type, and read back as\n"
    "(q - zero_point) * scale. Rounding is to the nearest, ties to even; 0 is always exact. Types of 8 and 16 bits have a\n"
    "scale per output channel (--per-tensor: one), types of 2 and 4 bits one per block (--block-size). Symmetric types\n"
    "(int8 and int16 by themselves, all with --symmetric) have the zero point 0, or the middle of an unsigned type. The\n"
    "error of each tensor is in the report.\n"
    "\n";

static const char targets[] =
    "Targets (--target): what has to take the model\n"
    "\n"
    "mq check --target NAME names every node that the target does not take, and why.\n"
    "\n";

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

const mq_topic mq_topics[] = {
    { "types", types, mq_quantize_list_types },
    { "targets", targets, mq_quantize_list_targets },
    { "exit", exits, NULL },
    { NULL, NULL, NULL },
};
