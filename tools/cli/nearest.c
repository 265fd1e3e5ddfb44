/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Edit distance (optimal string alignment) on short names. Longer texts have no neighbour here: nobody
 * mistypes a name of 64 letters, and the table stays on the stack. */
#include "cli/nearest.h"

#include <string.h>

#define MAX_NAME 64

static size_t min2(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t d[3][MAX_NAME + 1]; /* rows i-2, i-1 and i of the table, by i % 3 */

    for (size_t j = 0; j <= nb; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *row = d[i % 3], *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            row[j] = min2(min2(up[j], row[j - 1]) + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min2(row[j], up2[j - 2] + 1);
        }
    }
    return d[na % 3][nb];
}

const char *cli_nearest(const char *text, const char *const *names, size_t n)
{
    size_t len = strlen(text), best = len / 3 + 1;
    const char *found = NULL;

    if (len < 2 || len > MAX_NAME)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t name_len = strlen(names[i]);
        size_t d = name_len <= MAX_NAME ? distance(text, len, names[i], name_len) : best + 1;

        if (d <= best && (!found || d < best)) {
            best = d;
            found = names[i];
        }
    }
    return found;
}
