/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Hands the options of data to the library as they were written: their forms are the library's. */
#include "cli/source.h"

mq_data_source cli_source(const cli_session *s)
{
    const cli_value *data = cli_get(s, OPT_DATA), *pre = cli_get(s, OPT_PREPROCESS), *fill = cli_get(s, OPT_FILL);
    const cli_value *carry = cli_get(s, OPT_CARRY), *shape = cli_get(s, OPT_SHAPE), *dim = cli_get(s, OPT_DIM);

    return (mq_data_source){
        .data = data->items, .n_data = data->n_items, .labels = cli_get(s, OPT_LABELS)->items,
        .n_labels = cli_get(s, OPT_LABELS)->n_items, .preprocess = pre->items, .n_preprocess = pre->n_items,
        .fills = fill->items, .n_fills = fill->n_items, .carry = carry->items, .n_carry = carry->n_items,
        .shapes = shape->items, .n_shapes = shape->n_items, .dims = dim->items, .n_dims = dim->n_items,
        .samples = cli_get(s, OPT_SAMPLES)->number, .batch = (int64_t)cli_get(s, OPT_BATCH)->number,
        .seed = cli_get(s, OPT_SEED)->number, .skip_bad = cli_get(s, OPT_SKIP_BAD)->on,
        .allow_nonfinite = cli_get(s, OPT_ALLOW_NONFINITE)->on,
    };
}

void cli_source_note(void *user, const char *text)
{
    cli_say(user, "%s", text);
}

void cli_source_detail(void *user, const char *text)
{
    cli_detail(user, "%s", text);
}
