/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --fill, --carry and --preprocess matched with the inputs and outputs that they name. */
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"

mq_status mq_fills_parse(mq_dataset *ds, const mq_data_opts *o, mq_error *err)
{
    const char **patterns = calloc(o->n_fills + 1, sizeof *patterns);
    mq_fill *fills = mq_arena_calloc(ds->arena, o->n_fills + 1, sizeof *fills);
    mq_patterns *set = NULL;
    mq_status rc = patterns && fills ? MQ_OK : mq_oom(err);

    for (size_t i = 0; rc == MQ_OK && i < o->n_fills; i++)
        rc = mq_parse_fill(&patterns[i], &fills[i], ds->arena, o->fills[i], err);
    if (rc == MQ_OK)
        rc = mq_patterns_create(&set, "--fill", patterns, o->n_fills, err);
    for (size_t i = 0; rc == MQ_OK && i < ds->n_inputs; i++)
        mq_patterns_offer(set, ds->inputs[i]->name);
    for (size_t i = 0; rc == MQ_OK && i < ds->n_inputs; i++) {
        const int k = mq_patterns_find(set, ds->inputs[i]->name);

        ds->fills[i] = k >= 0 ? &fills[k] : NULL;
    }
    if (rc == MQ_OK)
        rc = mq_patterns_check_used(set, err);
    mq_patterns_free(set);
    free(patterns);
    return rc;
}

static int find_port(const mq_value **ports, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(ports[i]->name, name) == 0)
            return (int)i;
    return -1;
}

static mq_status unknown_port(const mq_value **ports, size_t n, const char *option, const char *kind, const char *name,
                              mq_error *err)
{
    const char **names = calloc(n + 1, sizeof *names);
    char near[200] = "";

    for (size_t i = 0; names && i < n; i++)
        names[i] = ports[i]->name;
    if (names)
        mq_suggest(near, sizeof near, name, names, n);
    free(names);
    return mq_fail(err, MQ_ERR_USAGE, "%s: the model has no %s '%s'%s", option, kind, name, near);
}

mq_status mq_carry_parse(mq_dataset *ds, const mq_data_opts *o, mq_error *err)
{
    const char *from, *to;
    mq_status rc;

    for (size_t i = 0; i < o->n_carry; i++) {
        int in, out;

        if ((rc = mq_parse_pair(&from, &to, ds->arena, o->carry[i], "--carry", err)) != MQ_OK)
            return rc;
        if ((out = find_port(ds->outputs, ds->n_outputs, from)) < 0)
            return unknown_port(ds->outputs, ds->n_outputs, "--carry", "output", from, err);
        if ((in = find_port(ds->inputs, ds->n_inputs, to)) < 0)
            return unknown_port(ds->inputs, ds->n_inputs, "--carry", "input", to, err);
        if (ds->carry[in] >= 0)
            return mq_fail(err, MQ_ERR_USAGE, "--carry '%s': '%s' is carried twice", o->carry[i], to);
        if (ds->fills[in])
            return mq_fail(err, MQ_ERR_USAGE, "input '%s' is both carried and filled: leave --carry or --fill out", to);
        ds->carry[in] = out;
        ds->has_carry = true;
    }
    return MQ_OK;
}

/* The input that a --preprocess without input= is for: the only one that must be fed, else the only one shaped like
 * pictures. */
static int pixel_input(const mq_dataset *ds)
{
    for (int pass = 0; pass < 2; pass++) {
        int only = -1;
        size_t n = 0;

        for (size_t i = 0; i < ds->n_inputs; i++) {
            const mq_type *t = mq_port_type(ds->inputs[i]);

            if (!mq_port_required(ds->inputs[i]) || ds->fills[i] || ds->carry[i] >= 0 ||
                (pass && !(t && t->kind == MQ_TYPE_TENSOR && t->rank == 4)))
                continue;
            only = (int)i;
            n++;
        }
        if (n == 1)
            return only;
    }
    return -1;
}

mq_status mq_preprocess_parse(mq_dataset *ds, const mq_data_opts *o, mq_error *err)
{
    mq_status rc;

    for (size_t i = 0; i < o->n_preprocess; i++) {
        mq_pipeline *p = NULL;
        const char *name;
        int in;

        if ((rc = mq_pipeline_parse(&p, o->preprocess[i], ds->hooks, err)) != MQ_OK)
            return rc;
        name = mq_pipeline_input(p);
        in = *name ? find_port(ds->inputs, ds->n_inputs, name) : pixel_input(ds);
        if (in < 0 && *name)
            rc = unknown_port(ds->inputs, ds->n_inputs, "--preprocess", "input", name, err);
        else if (in < 0)
            rc = mq_fail(err, MQ_ERR_USAGE, "--preprocess '%s': the model has several inputs: input=NAME says which one",
                         o->preprocess[i]);
        else if (ds->pipelines[in])
            rc = mq_fail(err, MQ_ERR_USAGE, "--preprocess is given twice for input '%s'", ds->inputs[in]->name);
        else
            rc = mq_pipeline_bind(p, ds->inputs[in], err);
        if (rc != MQ_OK) {
            mq_pipeline_free(p);
            return rc;
        }
        ds->pipelines[in] = p;
    }
    return MQ_OK;
}
