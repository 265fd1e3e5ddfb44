/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Models as text, for tests that need many or odd ones: fields by their names in proto/onnx.proto,
 *     ir_version:8 opset_import{version:17} graph{name:'g' node{op_type:'Relu' input:'x' output:'y'}}
 * Numbers as they are; texts and bytes in single quotes, or @N for N bytes that look random. Nothing is checked. */
#ifndef TEXT_FORMAT_H
#define TEXT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* The wire format of a ModelProto, to be freed with free(). Exits with a sentence on a text that it cannot read. */
uint8_t *text_to_model(const char *text, size_t *size);

#endif
