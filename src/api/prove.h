/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Running what was written against what it was made from: --verify run. */
#ifndef MQ_API_PROVE_H
#define MQ_API_PROVE_H

#include "mq/model.h"
#include "mq/report.h"
#include "mq/run.h"

typedef struct mq_proof_opts {
    mq_verify verify;      /* NONE, LOAD: nothing runs; AUTO: when it is cheap enough and can be run */
    const mq_data_source *source; /* data to run on; without any they are generated */
    const char *input;     /* the file of the original, "-" when it cannot be read again */
    uint64_t input_bytes;  /* external data counted */
    double min_sqnr;       /* a bound on every output, dB; -INFINITY: none */
    /* Gives the original the written model's edges (inputs, outputs, sizes, names); NULL: it has them. */
    mq_status (*prepare)(void *user, mq_model *original, mq_error *err);
    void *user;
    double expected_sqnr;  /* the bound where none is asked for; it makes nothing run */
} mq_proof_opts;

/* Does a proof of this kind run the models? */
bool mq_proof_runs(const mq_proof_opts *o);

/* Runs `written` and the original on the same data; agreement, proof and the bound go into the report. What cannot be
 * run is an error when running was asked for (MQ_ERR_UNSUPPORTED for the engine, MQ_ERR_INPUT for data), else a note in the
 * proof. */
mq_status mq_prove_run(const mq_proof_opts *o, mq_model *written, mq_report *report, const mq_hooks *hooks, mq_error *err);

#endif
