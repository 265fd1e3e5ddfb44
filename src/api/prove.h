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
    bool ceiling;          /* say how near the same model with 16-bit activations comes */
    mq_model *plain;       /* the written one with QuantizeLinear and DequantizeLinear; NULL: it has them */
    bool speed;            /* measure how long both take */
    double expected_sqnr;  /* the bound where none is asked for; it makes nothing run */
    const char *beside;    /* what the written model is run against; NULL: "the original" */
} mq_proof_opts;

/* Does a proof of this kind run the models? */
bool mq_proof_runs(const mq_proof_opts *o);

/* Runs `written` and the original on the same data; agreement, proof and the bound go into the report. What cannot be
 * run is an error when running was asked for (MQ_ERR_UNSUPPORTED for the engine, MQ_ERR_INPUT for data), else a note in the
 * proof. */
mq_status mq_prove_run(const mq_proof_opts *o, mq_model *written, mq_report *report, const mq_hooks *hooks, mq_error *err);

/* What a part of a proof is about: two models that have been run on the same data, with the shapes of these. */
typedef struct mq_proven {
    mq_model *written, *original;
    const mq_data_source *source;
    mq_report *report;
    const mq_hooks *hooks;
} mq_proven;

/* ceiling.c: runs p->written with 16-bit activations of the same ranges; what each output then has goes beside its
 * agreement ("ceiling_db"). Nothing when no activation has 8 bits, or that model cannot be run. */
mq_status mq_prove_ceiling(const mq_proven *p, mq_error *err);
/* speed.c: both models by turns, on one thread, for about half a second; the medians go into the report. Nothing when they
 * take different inputs. */
mq_status mq_prove_speed(const mq_proven *p, mq_error *err);

/* Has every output what is asked for, or else expected? *worst: the output that has least, NULL: none was compared. */
bool mq_prove_holds(const mq_proof_opts *o, const mq_against_result *r, const mq_agreement **worst);
/* The end of a proof, for those who have run models themselves: what was measured becomes proof and bound. */
mq_status mq_prove_judge(const mq_proof_opts *o, const mq_against_result *r, mq_report *report, mq_error *err);
/* What came of it, rc and why, becomes the call's outcome: where running was not asked for, no more than a note. */
mq_status mq_prove_settle(const mq_proof_opts *o, mq_status rc, const mq_error *why, mq_report *report, mq_error *err);

#endif
