/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the files of src/report share among themselves. */
#ifndef MQ_REPORT_INTERNAL_H
#define MQ_REPORT_INTERNAL_H

#include <stdint.h>

#include "base/map.h"
#include "base/vec.h"
#include "report/report.h"

/* Raised when a member changes its meaning or goes; members that are added keep it. */
#define MQ_REPORT_SCHEMA_VERSION 1
#define MQ_REPORT_N_SECTIONS 32
#define MQ_REPORT_N_WORST 5

typedef struct mq_report_section_row {
    const char *name;
    bool is_array; /* else an object */
} mq_report_section_row;
extern const mq_report_section_row mq_report_sections[MQ_REPORT_N_SECTIONS];

struct mq_report {
    char *command;
    json_t *sections[MQ_REPORT_N_SECTIONS]; /* NULL: not filled in */
    size_t n_missed, n_warnings;
    mq_map warnings;       /* code, place and text in one -> the warning's object, to count repetitions */
    MQ_VEC(char *) keys;   /* of `warnings` */
    char *error;           /* NULL: the command did its work */
    int exit_status;
    json_t *steps;
    json_t *speed;         /* NULL: not measured */
    int n_threads;         /* 0: nobody said */
    double started;
    bool failed;           /* out of memory somewhere */
};

/* Seconds of a clock that only moves forward. */
double mq_clock(void);

/* `measured`: time, memory, threads and CPU of this moment; NULL: out of memory. */
json_t *mq_report_measured(const mq_report *report);

/* The tensors with the lowest signal to noise ratio, worst first; NULL when there are none. */
json_t *mq_report_worst_layers(const json_t *changed, bool *ok);

/* The bytes with every ill-formed part replaced, from malloc; NULL: out of memory. */
char *mq_utf8_clean(const char *text);

/* ---- for renderers ------------------------------------------------------------------------------------------------ */

/* Members of an object; "" or 0 or false when absent or of another type. */
const char *mq_json_get_text(const json_t *object, const char *key);
int64_t mq_json_get_int(const json_t *object, const char *key);
bool mq_json_get_bool(const json_t *object, const char *key);
/* false when it is null or absent. */
bool mq_json_get_real(const json_t *object, const char *key, double *value);

/* Warnings summed up by code, in order of first appearance: {code, count, places, place, text}, the last two of the first.
 * A new reference; NULL: out of memory. */
json_t *mq_report_by_code(const json_t *warnings);

/* "64x3x7x7", "scalar". */
void mq_str_add_shape(mq_str *out, const json_t *dims);
/* "12", "0.25", "yes", "-"; a string as `text` shows it. */
void mq_str_add_scalar(mq_str *out, const json_t *v, void (*text)(mq_str *out, const char *s));
/* "41.2 dB", "exact" for null where an error was measured, "-" where none was. */
void mq_str_add_sqnr(mq_str *out, const json_t *entry);
/* The SQNR of an entry of `agreement`: "41.2 dB", "equal", "not finite". */
void mq_str_add_agreement(mq_str *out, const json_t *entry);
/* What stands beside it: " (ceiling 43.1 dB)"; nothing where none was measured. */
void mq_str_add_ceiling(mq_str *out, const json_t *entry);
/* "0.33 ms -> 0.21 ms (1.57 times as fast)" of `speed`. */
void mq_str_add_speed(mq_str *out, const json_t *speed);
/* What `refinements` says, in a sentence; "" adds nothing. */
void mq_str_add_refinements(mq_str *out, const json_t *refinements);
/* "12 models of 5 layers tried, ...: the bounds are met" of `search`. */
void mq_str_add_search(mq_str *out, const json_t *search);
/* "50.0% of 23.4 M weights are zero, 49.9% of the model's", "96 of 512 channels are gone" of `prune`. */
void mq_str_add_pruned(mq_str *out, const json_t *prune);
/* "top1 0.988 after 6 rounds, 0.986 before" of its `rounds`. */
void mq_str_add_rounds(mq_str *out, const json_t *prune);
/* "about 94.1 MB -> 61.0 MB with gzip" of its `worth`. */
void mq_str_add_gzip(mq_str *out, const json_t *worth);
/* "-74.9%", "+0.3%", "" when `before` is 0. */
void mq_str_add_change(mq_str *out, int64_t before, int64_t after);

#endif
