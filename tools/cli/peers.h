/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Answers for what people bring along from other tools. */
#ifndef CLI_PEERS_H
#define CLI_PEERS_H

#include <stdbool.h>

/* What another tool's option (without dashes, '_' for '-') is here, as a sentence: "mq calls it --nodes",
 * written into buf when it has to be put together. NULL: not known. */
const char *cli_peer_hint(const char *name, char *buf, unsigned long size);


/* What a file is that is no ONNX model, and the way to get one from it: "a PyTorch file; torch.onnx.export
 * writes ...". Goes by the name; a .pb also by its first byte, for some ONNX models are called so. NULL: may
 * be ONNX. */
const char *cli_foreign_file(const char *path);

#endif
