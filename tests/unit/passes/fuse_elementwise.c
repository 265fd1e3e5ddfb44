/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_elementwise;

static void becomes(const char *ops)
{
    pass_becomes(&mq_pass_fuse_elementwise, ops, 0);
}

static void inputs(void)
{
    make_input(g, "x", MQ_FLOAT, "N,40");
    make_input(g, "y", MQ_FLOAT, "N,40");
    make_float("half", 0.5f);
    make_float("two", 2);
    make_random("row", MQ_FLOAT, "40");
    make_random("w", MQ_FLOAT, "40,40");
}

/* ---- what is fused ------------------------------------------------------------------------------------------------- */

static void a_line(void **state)
{
    (void)state;
    inputs();
    make_node(g, "Mul", "x,row", "a");
    make_node(g, "Add", "a,half", "b");
    make_node(g, "Relu", "b", "c");
    make_node(g, "Pow", "c,two", "d");
    make_output(g, "d");
    becomes("ElementwiseChain");
    assert_int_equal(g->first->n_inputs, 4);
    assert_int_equal(g->first->n_outputs, 1);
    assert_true(mq_same_shape(mq_graph_find(g, "d"), mq_graph_find(g, "x")));
}

static void a_diamond(void **state)
{
    (void)state;
    inputs();
    make_node(g, "Sigmoid", "x", "a");
    make_node(g, "Mul", "x,a", "b");
    make_node(g, "Sub", "b,a", "c");
    make_output(g, "c");
    becomes("ElementwiseChain");
    assert_int_equal(g->first->n_inputs, 1);
}

static void a_choice(void **state)
{
    (void)state;
    inputs();
    make_node(g, "Less", "x,half", "a");
    make_node(g, "Where", "a,x,y", "b");
    make_node(g, "Clip", "b,-,half", "c");
    make_output(g, "c");
    becomes("ElementwiseChain");
}

static void many_operands(void **state)
{
    (void)state;
    inputs();
    make_node(g, "Max", "x,y,row,half", "a");
    make_node(g, "Sum", "a,x,y", "b");
    make_output(g, "b");
    becomes("ElementwiseChain");
}

/* What is read further on too becomes an output. */
static void two_results(void **state)
{
    (void)state;
    inputs();
    make_node(g, "Add", "x,y", "a");
    make_node(g, "Relu", "a", "b");
    make_node(g, "Mul", "b,half", "c");
    make_node(g, "MatMul", "c,w", "d");
    make_node(g, "MatMul", "a,w", "e");
    make_output(g, "d");
    make_output(g, "e");
    becomes("ElementwiseChain MatMul MatMul");
    assert_int_equal(g->first->n_outputs, 2);
}

static void after_an_image(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,4,6,6");
    make_random("k", MQ_FLOAT, "4,4,1,1");
    make_float("half", 0.5f);
    make_node(g, "Conv", "x,k", "a");
    make_node(g, "Mul", "a,half", "b");
    make_node(g, "Sigmoid", "b", "c");
    make_node(g, "Add", "c,half", "d");
    make_output(g, "d");
    becomes("Conv ElementwiseChain");
}

static void inside_a_branch(void **state)
{
    const mq_node *n;
    mq_graph *inner;
    mq_node *owner;

    (void)state;
    inputs();
    make_input(g, "c", MQ_BOOL, "");
    owner = make_node(g, "If", "c", "z");
    for (int k = 0; k < 2; k++) {
        inner = make_subgraph(owner, k ? "then_branch" : "else_branch");
        make_node(inner, "Add", "x,y", k ? "a" : "b");
        make_node(inner, "Relu", k ? "a" : "b", k ? "d" : "e");
        make_output(inner, k ? "d" : "e");
    }
    make_output(g, "z");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    for (size_t k = 0; k < 2; k++) {
        const mq_pass_ctx none = { 0 };
        size_t n_changed = 0;

        assert_int_equal(mq_pass_fuse_elementwise.run(owner->attrs[k]->graphs[0], &none, &n_changed, NULL), MQ_OK);
        assert_int_equal(n_changed, 1);
        n = owner->attrs[k]->graphs[0]->first;
        assert_true(n == owner->attrs[k]->graphs[0]->last && mq_node_is(n, "mq", "ElementwiseChain"));
    }
    graph_check(m);
}

/* More than fits one program: several, and nothing is lost. */
static void a_long_line(void **state)
{
    char from[16] = "x", to[16];

    (void)state;
    inputs();
    for (int i = 0; i < 150; i++) {
        snprintf(to, sizeof to, "v%d", i);
        make_node(g, i % 2 ? "Relu" : "Neg", from, to);
        memcpy(from, to, sizeof from);
    }
    make_output(g, from);
    becomes("ElementwiseChain ElementwiseChain ElementwiseChain");
}

/* ---- what is not --------------------------------------------------------------------------------------------------- */

static void not_fused_when_alone(void **state)
{
    (void)state;
    inputs();
    make_node(g, "Add", "x,y", "a");
    make_output(g, "a");
    pass_leaves(&mq_pass_fuse_elementwise);
}

static void not_fused_in_half_precision(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT16, "3,4");
    make_node(g, "Add", "x,x", "a");
    make_node(g, "Relu", "a", "b");
    make_output(g, "b");
    pass_leaves(&mq_pass_fuse_elementwise);
}

static void not_fused_when_the_shape_grows(void **state)
{
    (void)state;
    inputs();
    make_node(g, "Relu", "row", "a"); /* folded elsewhere */
    make_node(g, "Add", "x,a", "b");
    make_output(g, "b");
    pass_leaves(&mq_pass_fuse_elementwise);
}

static void not_fused_when_shapes_are_unknown(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "M,4");
    make_input(g, "s", MQ_INT64, "2");
    make_node(g, "Reshape", "x,s", "r");
    make_node(g, "Relu", "r", "a");
    make_node(g, "Exp", "a", "b");
    make_output(g, "b");
    pass_leaves(&mq_pass_fuse_elementwise);
}

static void not_fused_when_the_middle_is_an_output(void **state)
{
    (void)state;
    inputs();
    make_node(g, "Add", "x,y", "a");
    make_node(g, "Relu", "a", "b");
    make_output(g, "a");
    make_output(g, "b");
    pass_leaves(&mq_pass_fuse_elementwise);
}

/* The value would have to be there before the chain is. */
static void not_fused_when_the_middle_is_read_between(void **state)
{
    (void)state;
    inputs();
    make_node(g, "Add", "x,y", "a");
    make_node(g, "MatMul", "a,w", "b");
    make_node(g, "Mul", "a,b", "c");
    make_output(g, "c");
    pass_leaves(&mq_pass_fuse_elementwise);
}

static void not_fused_when_an_inner_graph_reads(void **state)
{
    mq_graph *inner;
    mq_node *owner;

    (void)state;
    inputs();
    make_input(g, "c", MQ_BOOL, "");
    make_node(g, "Add", "x,y", "a");
    make_node(g, "Relu", "a", "b");
    owner = make_node(g, "If", "c", "z");
    for (int k = 0; k < 2; k++) {
        inner = make_subgraph(owner, k ? "then_branch" : "else_branch");
        make_node(inner, "Neg", "a", k ? "d" : "e");
        make_output(inner, k ? "d" : "e");
    }
    make_output(g, "b");
    make_output(g, "z");
    pass_leaves(&mq_pass_fuse_elementwise);
}

static void not_fused_when_a_bound_is_made(void **state)
{
    (void)state;
    inputs();
    make_input(g, "low", MQ_FLOAT, "");
    make_node(g, "Relu", "x", "a");
    make_node(g, "Clip", "a,low", "b");
    make_output(g, "b");
    pass_leaves(&mq_pass_fuse_elementwise);
}

/* Images stay in the order that convolutions like. */
static void not_fused_between_convolutions(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,4,6,6");
    make_random("k", MQ_FLOAT, "4,4,1,1");
    make_float("half", 0.5f);
    make_node(g, "Conv", "x,k", "a");
    make_node(g, "Mul", "a,half", "b");
    make_node(g, "Sigmoid", "b", "c");
    make_node(g, "Add", "c,half", "d");
    make_node(g, "Conv", "d,k", "e");
    make_output(g, "e");
    pass_leaves(&mq_pass_fuse_elementwise);
}

/* ---- the same bits ------------------------------------------------------------------------------------------------- */

static const char *const unary[] = {
    "Abs", "Ceil", "Erf", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Relu", "Round", "Sqrt", "Tanh", /* double too */
    "Celu", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "Selu", "Sigmoid", "Softplus", "Softsign",
    "Swish", "ThresholdedRelu", "Gelu",
};
#define UNARY_OF_DOUBLE 12
static const char *const binary[] = { "Add", "Div", "Max", "Min", "Mul", "PRelu", "Sub" };
static const char *const comparisons[] = { "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual" };

static const char *pick(const char *const *list, size_t n)
{
    return list[rng_below(&pass_seed, n)];
}

/* Numbers of every kind. */
static double odd_number(void)
{
    static const double odd[] = { 0, -0.0, INFINITY, -INFINITY, NAN, 1e-40, 1, -1, 0.5, 88, -105, 3e38 };

    return rng_below(&pass_seed, 8) ? (double)rng_float(&pass_seed) * (rng_below(&pass_seed, 4) ? 3 : 60)
                                    : odd[rng_below(&pass_seed, MQ_ARRAY_LEN(odd))];
}

static void fill_odd(mq_dtype type, void *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (type == MQ_BOOL)
            ((uint8_t *)data)[i] = (uint8_t)rng_below(&pass_seed, 2);
        else if (type == MQ_FLOAT)
            ((float *)data)[i] = (float)odd_number();
        else
            ((double *)data)[i] = odd_number();
    }
}

static void odd_constant(const char *name, mq_dtype type, const char *dims)
{
    mq_value *v = make_init(g, name, type, dims, NULL);
    const int64_t size = mq_tensor_size(v->init);
    void *data = mq_arena_calloc(m->arena, (size_t)size + 8, 1);

    assert_non_null(data);
    fill_odd(type, data, (size_t)mq_tensor_count(v->init));
    v->init->data = data;
    v->init->n_bytes = (size_t)size;
}

/* A node more: its operands are values made before, constants, or the graph's inputs behind an operator of another kind. */
static void add_random_node(mq_dtype type, int i)
{
    static const char *const outer[] = { "s", "row", "col", "mid", "t", "u" };
    char full[16], other[16], out[16], text[64];
    const uint64_t kind = rng_below(&pass_seed, 12);
    mq_node *n;

    snprintf(out, sizeof out, "v%d", i);
    if (i)
        snprintf(full, sizeof full, "v%d", i - 1 - (int)rng_below(&pass_seed, (uint64_t)(i < 3 ? i : 3)));
    else
        snprintf(full, sizeof full, "t");
    snprintf(other, sizeof other, "%s", rng_below(&pass_seed, 2) ? full : pick(outer, MQ_ARRAY_LEN(outer)));
    if (i && rng_below(&pass_seed, 3) == 0)
        snprintf(other, sizeof other, "v%d", i - 1);
    if (kind < 4) {
        n = make_node(g, pick(unary, type == MQ_DOUBLE ? UNARY_OF_DOUBLE : MQ_ARRAY_LEN(unary)), full, out);
        if (strcmp(n->op_type, "Gelu") == 0 && rng_below(&pass_seed, 2))
            assert_int_equal(mq_node_set_attr_string(n, "approximate", "tanh", NULL), MQ_OK);
        if (strcmp(n->op_type, "Elu") == 0 || strcmp(n->op_type, "HardSigmoid") == 0)
            node_float(n, "alpha", 0.7f);
    } else if (kind < 9) {
        snprintf(text, sizeof text, "%s,%s", kind == 4 ? other : full, kind == 4 ? full : other);
        make_node(g, kind == 4 ? "Sub" : pick(binary, MQ_ARRAY_LEN(binary)), text, out);
    } else if (kind == 9) {
        static const char *const powers[] = { "p2", "p3", "phalf", "s" };
        snprintf(text, sizeof text, "%s,%s", full, pick(powers, 4));
        make_node(g, "Pow", text, out);
    } else if (kind == 10) {
        snprintf(text, sizeof text, rng_below(&pass_seed, 2) ? "%s,s" : "%s,-,s", full);
        make_node(g, "Clip", text, out);
    } else {
        char flag[16];
        const bool made = rng_below(&pass_seed, 2);
        snprintf(flag, sizeof flag, "c%d", i);
        snprintf(text, sizeof text, "%s,%s", full, other);
        if (made)
            make_node(g, pick(comparisons, MQ_ARRAY_LEN(comparisons)), text, flag);
        snprintf(text, sizeof text, "%s,%s,%s", made ? flag : rng_below(&pass_seed, 2) ? "cond" : "conds", full, other);
        make_node(g, "Where", text, out);
    }
}

static void random_graph(mq_dtype type, const char *dims, int n)
{
    int64_t d[8];
    const int rank = make_dims(dims, d);
    const double powers[] = { 2, 3, 0.5 };
    static const char *const names[] = { "p2", "p3", "phalf" };
    char text[40];

    assert_int_equal(rank, 3);
    make_input(g, "x", type, dims);
    make_input(g, "z", type, dims);
    make_input(g, "cond", MQ_BOOL, dims);
    make_node(g, type == MQ_FLOAT ? "Sin" : "Identity", "x", "t"); /* dies in a chain, which may write over it */
    make_node(g, type == MQ_FLOAT ? "Sin" : "Identity", "z", "u");
    odd_constant("s", type, "");
    snprintf(text, sizeof text, "%ld", d[2]);
    odd_constant("row", type, text);
    snprintf(text, sizeof text, "%ld,1", d[1]);
    odd_constant("col", type, text);
    odd_constant("conds", MQ_BOOL, text);
    snprintf(text, sizeof text, "%ld,1,%ld", d[0], d[2]);
    odd_constant("mid", type, text);
    for (int i = 0; i < 3; i++) {
        const float f = (float)powers[i];
        make_init(g, names[i], type, "", type == MQ_FLOAT ? (const void *)&f : &powers[i]);
    }
    for (int i = 0; i < n; i++)
        add_random_node(type, i);
    for (int i = n - 1; i >= 0 && g->outputs.n < PASS_MAX_IO; i--) {
        snprintf(text, sizeof text, "v%d", i);
        if (i == n - 1 || !mq_graph_find(g, text)->uses.n)
            make_output(g, text);
    }
}

/* The same bytes, where a NaN is any NaN. */
static void same_numbers(const pass_io *a, const pass_io *b, uint64_t seed)
{
    assert_int_equal(a->n_out, b->n_out);
    for (size_t i = 0; i < a->n_out; i++) {
        const mq_array *x = a->out[i], *y = b->out[i];
        const size_t size = mq_array_elem_size(x);

        assert_true(x->dtype == y->dtype && x->rank == y->rank);
        assert_memory_equal(x->dims, y->dims, (size_t)x->rank * sizeof *x->dims);
        for (size_t k = 0; k < x->count; k++) {
            const double p = mq_array_f64(x, k), q = mq_array_f64(y, k);

            if (memcmp((char *)x->data + k * size, (char *)y->data + k * size, size) != 0 && !(isnan(p) && isnan(q)))
                fail_msg("seed %llu, output %zu, element %zu: %.9g before, %.9g after", (unsigned long long)seed, i, k, p,
                         q);
        }
    }
}

/* By the whole engine, on several threads. */
static void engine_run(pass_io *io)
{
    mq_runner *r = NULL;
    mq_plan *p = NULL;
    mq_error err = { 0 };

    if (mq_plan_create(&p, m, NULL, NULL, &err) != MQ_OK || mq_runner_create(&r, p, 4, &err) != MQ_OK ||
        mq_runner_run(r, io->in, io->out, &err) != MQ_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < io->n_out; i++) {
        mq_array *copy = NULL;

        assert_int_equal(mq_array_copy(&copy, io->out[i], NULL), MQ_OK);
        mq_array_unref(io->out[i]);
        io->out[i] = copy;
    }
    mq_runner_free(r);
    mq_plan_free(p);
}

static void compare_random(mq_dtype type, const char *dims, uint64_t seed)
{
    pass_io before = { .n_in = 3 }, after, threads;

    pass_setup(NULL);
    pass_seed = seed;
    random_graph(type, dims, 2 + (int)rng_below(&pass_seed, 20));
    for (size_t i = 0; i < 3; i++) {
        before.in[i] = random_input(g->inputs.items[i]);
        fill_odd(before.in[i]->dtype, before.in[i]->data, before.in[i]->count);
    }
    pass_run(&before);
    threads = after = before;
    assert_true(pass_apply(&mq_pass_fuse_elementwise, NULL) > 0);
    pass_run(&after);
    same_numbers(&before, &after, seed);
    engine_run(&threads);
    same_numbers(&before, &threads, seed);
    assert_int_equal(pass_apply(&mq_pass_fuse_elementwise, NULL), 0);
    pass_release(before.in, before.n_in);
    pass_release(before.out, before.n_out);
    pass_release(after.out, after.n_out);
    pass_release(threads.out, threads.n_out);
    pass_teardown(NULL);
}

static void random_graphs(void **state)
{
    static const char *const shapes[] = { "1,1,1",   "3,5,7", "2,9,128",  "4,3,701",
                                          "2,700,3", "0,4,5", "40,64,64", "1,2048,1" };

    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++)
        compare_random(seed % 4 ? MQ_FLOAT : MQ_DOUBLE, shapes[seed / 4 % MQ_ARRAY_LEN(shapes)], seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(a_line),
        ON_MODEL(a_diamond),
        ON_MODEL(a_choice),
        ON_MODEL(many_operands),
        ON_MODEL(two_results),
        ON_MODEL(after_an_image),
        ON_MODEL(inside_a_branch),
        ON_MODEL(a_long_line),
        ON_MODEL(not_fused_when_alone),
        ON_MODEL(not_fused_in_half_precision),
        ON_MODEL(not_fused_when_the_shape_grows),
        ON_MODEL(not_fused_when_shapes_are_unknown),
        ON_MODEL(not_fused_when_the_middle_is_an_output),
        ON_MODEL(not_fused_when_the_middle_is_read_between),
        ON_MODEL(not_fused_when_an_inner_graph_reads),
        ON_MODEL(not_fused_when_a_bound_is_made),
        ON_MODEL(not_fused_between_convolutions),
        cmocka_unit_test(random_graphs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
