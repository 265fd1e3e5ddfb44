/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of a search by bounds share. */
#ifndef MQ_API_QUANTIZE_HUNT_H
#define MQ_API_QUANTIZE_HUNT_H

#include "api/quantize_layers.h"
#include "api/search.h"

enum {
    MQ_HUNT_LEVELS = MQ_LAYER_FORMS,
    MQ_IN_FLOAT = -1, /* instead of a form */
};

/* A model that was tried. */
typedef struct mq_trial {
    mq_quality quality;
    uint64_t bytes;
    size_t n_other; /* layers in another form than asked for */
    mq_bench_figure latency, speedup; /* 0: not measured */
} mq_trial;

typedef struct mq_hunt {
    mq_quantize_job *j;
    mq_quant_layers l;
    bool by_quality, by_size, by_speed; /* what was asked for */
    uint64_t most_bytes;
    bool fewer_bits;          /* level 0 is the form that was asked for, level 1 int4; else float, and the forms in order */
    mq_search_level *levels;  /* MQ_HUNT_LEVELS for each layer */
    mq_search_item *options;
    size_t *level, *least;    /* chosen; of what was tried and missed, what missed least */
    double least_share;
    mq_level *room;           /* what a choice is written into */
    mq_trial asked;
    json_t *section, *tried;
    size_t evals;
    double deadline;
} mq_hunt;

/* The form of a layer at a level. */
int mq_hunt_form(const mq_hunt *h, size_t level);
/* What a choice, one level for each layer, is for the quantizer: in h->room. */
mq_levels mq_hunt_levels(const mq_hunt *h, const size_t *level);
/* Layers in another form than asked for. */
size_t mq_hunt_others(const mq_hunt *h, const size_t *level);
/* A model that was tried, into the report. */
void mq_hunt_report(mq_hunt *h, const mq_trial *t);
/* Is the time up, or have as many models been measured as may be? */
bool mq_hunt_is_over(void *hunt);

/* quantize_speed.c: --max-latency and --min-speedup. */
bool mq_hunt_is_fast(const mq_hunt *h, const mq_trial *t);
/* From h->level on: layers whose integers are slower than float are computed in float, until the bound holds or nothing
 * helps any more (*met false). Levels are forms + 1 afterwards. */
mq_status mq_hunt_speed(mq_hunt *h, bool *met);

#endif
