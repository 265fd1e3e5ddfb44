/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The parts of the fuzz target `model`: what its files share. */
#ifndef MQ_TESTS_FUZZ_MODEL_H
#define MQ_TESTS_FUZZ_MODEL_H

#include "mq/model.h"
#include "mq/report.h"

/* Outputs have names in this folder, but are thrown away before they get them. */
#define OUTPUT "fuzz-output.onnx"

/* Options, drawn from the input's bytes: the same input is always treated the same way. */
typedef struct choices {
    uint64_t state;
} choices;

choices choices_of(const uint8_t *data, size_t size);
/* 0 to n-1, n at least 1 */
unsigned choose(choices *c, unsigned n);

_Noreturn void broken(const char *promise, const mq_error *err);
/* A descriptor of a file in memory that holds the bytes, read from its start. */
int file_of(const void *data, size_t size);
/* NULL: these bytes are no model. */
mq_model *load(const void *data, size_t size);
mq_report *new_report(const char *command);
/* Every form of a report. */
void render(const mq_report *report);

/* Quantizes from file to file, in some mode, form and type. clean: check has no finding. */
void quantize(const uint8_t *data, size_t size, bool clean, choices *c);
/* Converts from file to file, at some level, precision and opset. */
void convert(const uint8_t *data, size_t size, bool clean, choices *c);
/* Runs the model, where that is little work, and against itself. */
void run_model(const uint8_t *data, size_t size, choices *c);

#endif
