/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* "Did you mean": the name that a mistyped one is closest to. */
#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

#include <stddef.h>

/* The name with the fewest edits (insert, drop, change, swap of neighbours) from text, the first among
 * equals; NULL when more than a third of the text would change. */
const char *cli_nearest(const char *text, const char *const *names, size_t n);

#endif
