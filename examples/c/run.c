/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Uses the library: runs a model with one float input on batches of 1 to 3 samples of ones, in one plan that serves
 * them all, and prints the first values of each output. Build: see the Makefile beside. */
#include <mq/mq.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static mq_status print_outputs(const mq_engine *engine, const mq_execution *x, mq_error *err)
{
    const char *name;

    for (size_t i = 0; (name = mq_engine_output(engine, i)); i++) {
        mq_view out;
        mq_status rc = mq_execution_get(x, name, &out, err);

        if (rc != MQ_OK)
            return rc;
        printf("%s %s[", name, mq_type_name(out.type));
        for (int k = 0; k < out.rank; k++)
            printf("%s%" PRId64, k ? "," : "", out.dims[k]);
        printf("]");
        for (size_t k = 0; k < mq_view_count(&out) && k < 5; k++)
            printf(" %g", mq_view_number(&out, k));
        printf("\n");
    }
    return MQ_OK;
}

static mq_status run_batch(mq_engine *engine, mq_execution *x, int64_t batch, mq_error *err)
{
    mq_view in;
    float *values;
    mq_status rc;

    if (!mq_engine_input_view(engine, 0, &in) || in.type != 1) {
        snprintf(err->text, sizeof err->text, "the input is no tensor of floats");
        return MQ_ERR_UNSUPPORTED;
    }
    for (int k = 0; k < in.rank; k++) /* sizes that the model leaves open */
        if (in.dims[k] < 0)
            in.dims[k] = k == 0 ? batch : 1;
    in.n_bytes = mq_view_count(&in) * sizeof *values;
    if (!(values = malloc(in.n_bytes + 1))) {
        snprintf(err->text, sizeof err->text, "out of memory");
        return MQ_ERR_NOMEM;
    }
    for (size_t i = 0; i < in.n_bytes / sizeof *values; i++)
        values[i] = 1;
    in.data = values;
    rc = mq_execution_set(x, mq_engine_input(engine, 0), &in, err);
    if (rc == MQ_OK)
        rc = mq_execution_run(x, err);
    if (rc == MQ_OK)
        rc = print_outputs(engine, x, err);
    free(values); /* not before the run: the execution borrows it */
    return rc;
}

int main(int argc, char **argv)
{
    mq_model *model = NULL;
    mq_engine *engine = NULL;
    mq_execution *x = NULL;
    mq_error err = { 0 };
    mq_status rc;

    if (argc != 2) {
        fprintf(stderr, "usage: run MODEL\n");
        return 2;
    }
    rc = mq_model_load(&model, argv[1], &err);
    if (rc == MQ_OK)
        rc = mq_engine_create(&engine, model, NULL, &err); /* once; several threads may share it */
    if (rc == MQ_OK)
        rc = mq_execution_create(&x, engine, 0, &err); /* one per thread */
    for (int64_t batch = 1; rc == MQ_OK && batch <= 3; batch++)
        rc = run_batch(engine, x, batch, &err);
    if (rc != MQ_OK)
        fprintf(stderr, "error: %s (%s)\n", err.text, mq_status_name(rc));
    mq_execution_free(x);
    mq_engine_free(engine);
    mq_model_free(model);
    return rc == MQ_OK ? 0 : 1;
}
