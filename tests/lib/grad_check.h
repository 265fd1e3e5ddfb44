/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients of one operator compared with differences: a node from a line of text, a loss that is a weighted sum of its
 * outputs, its gradients by mq_grad_append, and (loss(x + h) - loss(x - h)) / 2h for every element. Include it after
 * cmocka.h.
 *
 * Inputs, separated by blanks: f2x3 floats that want a gradient (f: a scalar), n2x3 floats that want none, i1,2 a constant
 * list of int64, s3 one int64, d0.5 a constant float,
 * c1.0,1.7 a constant list of float32, j2x3:5 random int64 below 5, b2x3 random bools, t and o true and
 * false, - an absent one. Attributes: "axis=1 perm=0,2,1 alpha=0.5 mode=reflect"; a list of one ends with a comma. */
#ifndef MQ_TESTS_GRAD_CHECK_H
#define MQ_TESTS_GRAD_CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/exec.h"
#include "ops/ops.h"
#include "rng.h"
#include "train/grad.h"

#define GRAD_MAX 16

typedef struct grad_case {
    const char *op, *in, *attrs;
    double low, high; /* of random floats; 0, 0: -1 to 1 */
    int n_out;        /* 0: 1 */
    const char *domain;
} grad_case;

typedef struct grad_check {
    const grad_case *c;
    mq_model *m;
    mq_node *n;
    mq_dtype dtype;
    bool symbolic; /* no size of a float input is declared */
    uint64_t seed;
    mq_value *x[GRAD_MAX]; /* float inputs */
    mq_array *in[2 * GRAD_MAX];
    bool wants[GRAD_MAX];
    size_t n_x, n_in;
    mq_value *loss, *grads[GRAD_MAX];
    mq_error err;
} grad_check;

static inline size_t grad_elem(const grad_check *t)
{
    return t->dtype == MQ_DOUBLE ? sizeof(double) : sizeof(float);
}

static inline double grad_get(const mq_array *a, size_t i)
{
    return a->dtype == MQ_DOUBLE ? ((const double *)a->data)[i] : (double)((const float *)a->data)[i];
}

static inline void grad_put(mq_array *a, size_t i, double v)
{
    if (a->dtype == MQ_DOUBLE)
        ((double *)a->data)[i] = v;
    else
        ((float *)a->data)[i] = (float)v;
}

static inline int grad_dims(const char *text, int64_t *dims)
{
    int n = 0;

    while (*text && *text != ':') {
        dims[n++] = strtoll(text, (char **)(uintptr_t)&text, 10);
        text += *text == 'x' || *text == ',';
    }
    return n;
}

/* The numbers are those of a float, so that both types see the same. */
static inline mq_array *grad_random(grad_check *t, int rank, const int64_t *dims, double low, double high)
{
    mq_array *a = NULL;

    assert_int_equal(mq_array_create(&a, t->dtype, rank, dims, &t->err), MQ_OK);
    for (size_t i = 0; i < a->count; i++)
        grad_put(a, i, (double)(float)(low + (high - low) * 0.5 * ((double)rng_float(&t->seed) + 1)));
    return a;
}

/* A new input of the graph over a (takes it). */
static inline mq_value *grad_input(grad_check *t, mq_array *a)
{
    mq_value *v = mq_value_create_unique(t->m->graph, "x");
    mq_dim dims[MQ_MAX_RANK];

    assert_non_null(v);
    for (int i = 0; i < a->rank; i++)
        dims[i] = t->symbolic ? MQ_DIM_UNKNOWN : MQ_DIM(a->dims[i]);
    v->declared = mq_type_create(t->m, MQ_TYPE_TENSOR, a->dtype, a->rank, dims);
    assert_int_equal(mq_graph_add_input(t->m->graph, v, &t->err), MQ_OK);
    t->in[t->n_in++] = a;
    return v;
}

static inline mq_value *grad_constant(grad_check *t, mq_dtype dtype, int rank, const int64_t *dims, const void *data)
{
    mq_value *v = mq_value_create_unique(t->m->graph, "c");
    mq_tensor *c = mq_tensor_create(t->m, "c", dtype, rank, dims, data);

    assert_true(v && c);
    assert_int_equal(mq_value_set_init(v, c, &t->err), MQ_OK);
    return v;
}

static inline mq_value *grad_float_input(grad_check *t, const char *text)
{
    const bool any = t->c->low == 0 && t->c->high == 0;
    int64_t dims[MQ_MAX_RANK];
    const int rank = grad_dims(text + 1, dims);

    t->wants[t->n_x] = *text == 'f';
    t->x[t->n_x] = grad_input(t, grad_random(t, rank, dims, any ? -1 : t->c->low, any ? 1 : t->c->high));
    return t->x[t->n_x++];
}

static inline mq_value *grad_random_ints(grad_check *t, const char *text, bool bools)
{
    int64_t dims[MQ_MAX_RANK], data[512];
    uint8_t bytes[512];
    const int rank = grad_dims(text + 1, dims);
    size_t count = 1;

    for (int i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    assert_true(count <= 512);
    for (size_t i = 0; i < count; i++) {
        data[i] = (int64_t)rng_below(&t->seed, bools ? 2 : strtoull(strchr(text, ':') + 1, NULL, 10));
        bytes[i] = (uint8_t)data[i];
    }
    return grad_constant(t, bools ? MQ_BOOL : MQ_INT64, rank, dims, bools ? (const void *)bytes : data);
}

static inline mq_value *grad_number_input(grad_check *t, double d)
{
    const float f = (float)d;

    return t->dtype == MQ_DOUBLE ? grad_constant(t, MQ_DOUBLE, 0, NULL, &d) : grad_constant(t, MQ_FLOAT, 0, NULL, &f);
}

static inline mq_value *grad_float_list(grad_check *t, const char *text)
{
    float list[64];
    int64_t n = 0;

    while (*text) {
        list[n++] = strtof(text, (char **)(uintptr_t)&text);
        text += *text == ',';
    }
    return grad_constant(t, MQ_FLOAT, 1, &n, list);
}

static inline mq_value *grad_one_input(grad_check *t, const char *text)
{
    int64_t list[64], n;

    switch (*text) {
    case 'f':
    case 'n': return grad_float_input(t, text);
    case 'i': n = grad_dims(text + 1, list); return grad_constant(t, MQ_INT64, 1, &n, list);
    case 's': list[0] = strtoll(text + 1, NULL, 10); return grad_constant(t, MQ_INT64, 0, NULL, list);
    case 'c': return grad_float_list(t, text + 1);
    case 'd': return grad_number_input(t, strtod(text + 1, NULL));
    case 'j': return grad_random_ints(t, text, false);
    case 'b': return grad_random_ints(t, text, true);
    case 't': return grad_constant(t, MQ_BOOL, 0, NULL, &(uint8_t){ 1 });
    case 'o': return grad_constant(t, MQ_BOOL, 0, NULL, &(uint8_t){ 0 });
    default: return NULL;
    }
}

static inline void grad_attr(grad_check *t, const char *name, const char *value)
{
    int64_t list[64];
    mq_status rc;

    if (strchr(value, ',') && strspn(value, "-0123456789,") == strlen(value))
        rc = mq_node_set_attr_ints(t->n, name, list, (size_t)grad_dims(value, list), &t->err);
    else if (strspn(value, "-0123456789") == strlen(value))
        rc = mq_node_set_attr_int(t->n, name, strtoll(value, NULL, 10), &t->err);
    else if (strspn(value, "-.0123456789") == strlen(value))
        rc = mq_node_set_attr_float(t->n, name, strtof(value, NULL), &t->err);
    else
        rc = mq_node_set_attr_string(t->n, name, value, &t->err);
    assert_int_equal(rc, MQ_OK);
}

static inline void grad_open(grad_check *t, const grad_case *c, mq_dtype dtype, bool symbolic)
{
    char text[256], *save = NULL, name[16];

    *t = (grad_check){ .c = c, .dtype = dtype, .symbolic = symbolic, .seed = 7 };
    assert_int_equal(mq_model_create(&t->m, NULL), MQ_OK);
    assert_int_equal(mq_opset_set(t->m, "", mq_schema_newest_opset(), NULL), MQ_OK);
    assert_int_equal(mq_opset_set(t->m, "mq", 1, NULL), MQ_OK);
    t->m->ir_version = 10;
    t->m->has_ir_version = true;
    t->m->graph = mq_graph_create(t->m, NULL, NULL, "g");
    t->n = mq_node_create(t->m->graph, NULL, c->domain ? c->domain : "", c->op, "n");
    snprintf(text, sizeof text, "%s", c->in);
    for (char *p = strtok_r(text, " ", &save); p; p = strtok_r(NULL, " ", &save))
        assert_int_equal(mq_node_set_input(t->n, t->n->n_inputs, grad_one_input(t, p), &t->err), MQ_OK);
    snprintf(text, sizeof text, "%s", c->attrs ? c->attrs : "");
    for (char *p = strtok_r(text, " ", &save); p; p = strtok_r(NULL, " ", &save)) {
        char *value = strchr(p, '=');

        *value = '\0';
        grad_attr(t, p, value + 1);
    }
    for (int i = 0; i < (c->n_out ? c->n_out : 1); i++) {
        snprintf(name, sizeof name, "y%d", i);
        assert_int_equal(mq_node_set_output(t->n, (size_t)i, mq_value_create(t->m->graph, name), &t->err), MQ_OK);
    }
}

/* Runs the model's outputs of these names. */
static inline void grad_run(grad_check *t, const char *const *names, size_t n, mq_array **out, bool reference)
{
    const mq_plan_opts opts = { .reference = reference, .outputs = names, .n_outputs = n };
    mq_plan *plan = NULL;
    mq_runner *runner = NULL;

    if (mq_plan_create(&plan, t->m, &opts, NULL, &t->err) != MQ_OK ||
        mq_runner_create(&runner, plan, 2, &t->err) != MQ_OK || mq_runner_run(runner, t->in, out, &t->err) != MQ_OK)
        fail_msg("%s (%s): %s", t->c->op, t->c->in, t->err.text);
    mq_runner_free(runner);
    mq_plan_free(plan);
}

static inline mq_value *grad_make(grad_check *t, const char *op, mq_value *a, mq_value *b)
{
    mq_node *n = mq_node_create(t->m->graph, NULL, "", op, "");
    mq_value *v = mq_value_create_unique(t->m->graph, "loss");

    assert_int_equal(mq_node_set_input(n, 0, a, NULL), MQ_OK);
    if (b)
        assert_int_equal(mq_node_set_input(n, 1, b, NULL), MQ_OK);
    if (strcmp(op, "ReduceSum") == 0)
        assert_int_equal(mq_node_set_attr_int(n, "keepdims", 0, NULL), MQ_OK);
    assert_int_equal(mq_node_set_output(n, 0, v, NULL), MQ_OK);
    return v;
}

/* The sum of all float outputs, each element with a weight of its own. */
static inline void grad_loss(grad_check *t)
{
    for (int i = 0; i < (t->c->n_out ? t->c->n_out : 1); i++) {
        mq_value *y = t->n->outputs[i], *sum;
        const char *name = y->name;
        mq_array *out = NULL;

        grad_run(t, &name, 1, &out, true);
        if (out->dtype == t->dtype) {
            sum = grad_make(t, "ReduceSum",
                            grad_make(t, "Mul", y, grad_input(t, grad_random(t, out->rank, out->dims, -1, 1))), NULL);
            t->loss = t->loss ? grad_make(t, "Add", t->loss, sum) : sum;
        }
        mq_array_unref(out);
    }
    assert_non_null(t->loss);
    assert_int_equal(mq_graph_add_output(t->m->graph, t->loss, &t->err), MQ_OK);
}

static inline void grad_append(grad_check *t)
{
    mq_value *wrt[GRAD_MAX], *got[GRAD_MAX];
    size_t n = 0;

    for (size_t i = 0; i < t->n_x; i++)
        if (t->wants[i])
            wrt[n++] = t->x[i];
    if (mq_grad_prepare(t->m, NULL, NULL, &t->err) != MQ_OK ||
        mq_grad_append(t->m->graph, t->loss, wrt, n, got, &t->err) != MQ_OK)
        fail_msg("%s (%s): %s", t->c->op, t->c->in, t->err.text);
    for (size_t i = 0, k = 0; i < t->n_x; i++)
        t->grads[i] = t->wants[i] ? got[k++] : NULL;
}

static inline void grad_close(grad_check *t)
{
    for (size_t i = 0; i < t->n_in; i++)
        mq_array_unref(t->in[i]);
    mq_model_free(t->m);
}

/* The gradient of input i into g, by the graph. NULL: it has none. */
static inline mq_array *grad_by_graph(grad_check *t, size_t i)
{
    const char *name = t->grads[i] ? t->grads[i]->name : NULL;
    mq_array *out = NULL;

    if (name)
        grad_run(t, &name, 1, &out, t->dtype == MQ_DOUBLE);
    return out;
}

/* The same by differences; heap. */
static inline double *grad_by_differences(grad_check *t, size_t i)
{
    const char *name = t->loss->name;
    const mq_plan_opts opts = { .reference = true, .outputs = &name, .n_outputs = 1 };
    mq_array *x = NULL, *out = NULL;
    mq_plan *plan = NULL;
    mq_runner *runner = NULL;
    double *d;

    for (size_t k = 0; k < t->n_in; k++)
        if (t->m->graph->inputs.items[k] == t->x[i])
            x = t->in[k];
    d = calloc(x->count + 1, sizeof *d);
    assert_non_null(d);
    assert_int_equal(mq_plan_create(&plan, t->m, &opts, NULL, &t->err), MQ_OK);
    assert_int_equal(mq_runner_create(&runner, plan, 1, &t->err), MQ_OK);
    for (size_t e = 0; e < x->count; e++) {
        const double at = grad_get(x, e), h = 1e-5;

        for (int side = -1; side < 2; side += 2) {
            grad_put(x, e, at + side * h);
            assert_int_equal(mq_runner_run(runner, t->in, &out, &t->err), MQ_OK);
            d[e] += side * grad_get(out, 0) / (2 * h);
            mq_array_unref(out);
        }
        grad_put(x, e, at);
    }
    mq_runner_free(runner);
    mq_plan_free(plan);
    return d;
}

/* || got - want || <= bound * || want || (or * 1, when want is small); got NULL: zeros. */
static inline bool grad_near(const mq_array *got, const double *want, size_t n, double bound)
{
    double diff = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        const double g = got ? grad_get(got, i) : 0;

        diff += (g - want[i]) * (g - want[i]);
        size += want[i] * want[i];
    }
    if (sqrt(diff) <= bound * fmax(sqrt(size), 1e-3 * sqrt((double)n)))
        return true;
    for (size_t i = 0; i < n && i < 12; i++)
        print_error("%zu: %.9g, not %.9g\n", i, got ? grad_get(got, i) : 0, want[i]);
    return false;
}

static inline bool grad_same_shape(const grad_check *t, size_t i, const mq_array *got)
{
    for (size_t k = 0; k < t->n_in; k++)
        if (t->m->graph->inputs.items[k] == t->x[i])
            return got->dtype == t->dtype && got->rank == t->in[k]->rank &&
                   memcmp(got->dims, t->in[k]->dims, (size_t)got->rank * sizeof *got->dims) == 0;
    return false;
}

static inline size_t grad_count(const grad_check *t, size_t i)
{
    for (size_t k = 0; k < t->n_in; k++)
        if (t->m->graph->inputs.items[k] == t->x[i])
            return t->in[k]->count;
    return 0;
}

/* Both types, sizes declared and not: double within 1e-6 of differences, float within 1e-3. */
static inline void grad_check_case(const grad_case *c)
{
    double *want[GRAD_MAX] = { 0 };

    for (int turn = 0; turn < 4; turn++) {
        grad_check t;

        grad_open(&t, c, turn < 2 ? MQ_DOUBLE : MQ_FLOAT, turn % 2 != 0);
        grad_loss(&t);
        grad_append(&t);
        for (size_t i = 0; i < t.n_x; i++) {
            mq_array *got;

            if (!t.wants[i])
                continue;
            got = grad_by_graph(&t, i);
            if (turn == 0)
                want[i] = grad_by_differences(&t, i);
            if ((got && !grad_same_shape(&t, i, got)) || !grad_near(got, want[i], grad_count(&t, i), turn < 2 ? 1e-6 : 1e-3))
                fail_msg("%s (%s; %s), float input %zu, %s, sizes %s", c->op, c->in, c->attrs ? c->attrs : "", i,
                         turn < 2 ? "double" : "float", t.symbolic ? "unknown" : "known");
            mq_array_unref(got);
        }
        grad_close(&t);
    }
    for (size_t i = 0; i < GRAD_MAX; i++)
        free(want[i]);
}

#endif
