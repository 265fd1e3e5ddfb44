/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Linked into each unit test: the test runs under the instruction set that MQ_ISA names, as the tools do. One that the CPU
 * lacks skips the test. */
#include <stdio.h>
#include <stdlib.h>

#include "mq/isa.h"

enum { SKIPPED = 77 }; /* to meson */

__attribute__((constructor)) static void limit(void)
{
    const char *name = getenv("MQ_ISA");
    mq_error err;

    if (name && mq_isa_set(name, &err) != MQ_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(SKIPPED);
    }
}
