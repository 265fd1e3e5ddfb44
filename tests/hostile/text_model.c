/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* usage: text_model TEXT: writes the model that the text describes (text_format.h) to standard output. */
#include <stdio.h>
#include <stdlib.h>

#include "text_format.h"

int main(int argc, char **argv)
{
    uint8_t *data;
    size_t size;
    int ok;

    if (argc != 2)
        return 2;
    data = text_to_model(argv[1], &size);
    ok = fwrite(data, 1, size, stdout) == size && fflush(stdout) == 0;
    free(data);
    return ok ? 0 : 2;
}
