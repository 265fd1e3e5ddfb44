/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/rounding.c and trial.c: which weights are rounded by data, in stages of a budget; in every layout the
 * error of a layer's results, computed anew, is what is said of it and never more than with rounding to nearest; the same
 * bytes at any number of threads; a table that spares the work; scales of the user's stay. */
#include "quant/rounding.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant_make.h"
#include "rng.h"

enum { VECTORS = 90, COLS = 48, ROWS = 20 };

static float data[2][COLS * ROWS], x[VECTORS * COLS];
static mq_rounded_table table;
static mq_hooks hooks = { .warn = quant_note_warning };
static mq_error err;

static void fill(float *to, size_t n, uint64_t rng)
{
    float common = 0;

    for (size_t i = 0; i < n; i++) {
        common = i % COLS ? common : rng_float(&rng);
        to[i] = common + rng_float(&rng) * (float)(1 + i % 4);
    }
}

static mq_value *add_weight(const char *name, const char *dims, float *from)
{
    mq_value *v = make_weight(g, name, dims);

    v->init->data = from;
    return v;
}

/* x [?, 48] is multiplied by two weights, one of them stored by rows of results; an embedding beside them. */
static void make_two(void)
{
    fill(data[0], COLS * ROWS, 1);
    fill(data[1], COLS * ROWS, 2);
    fill(x, VECTORS * COLS, 3);
    make_input(g, "x", MQ_FLOAT, "90,48");
    make_input(g, "ids", MQ_INT64, "3");
    add_weight("a", "48,20", data[0]);
    add_weight("b", "20,48", data[1]);
    make_weight(g, "table", "40,48");
    make_node(g, "MatMul", "x,a", "y");
    make_node_int(g, "Gemm", "x,b", "z", "transB", 1);
    make_node(g, "Gather", "table,ids", "e");
    make_output(g, "y");
    make_output(g, "z");
    make_output(g, "e");
}

static void see(mq_rounding *r)
{
    mq_array *a = NULL;
    size_t n;
    const char *const *names = mq_rounding_names(r, &n);

    assert_int_equal(n, 1);
    assert_string_equal(names[0], "x");
    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 2, (int64_t[]){ VECTORS, COLS }, &err), MQ_OK);
    memcpy(a->data, x, sizeof x);
    assert_int_equal(mq_rounding_add(r, mq_graph_find(g, "x"), a, &err), MQ_OK);
    mq_array_unref(a);
    assert_int_equal(mq_rounding_finish(r, &err), MQ_OK);
}

/* All stages; how many there were. */
static int round_plan(mq_round_kind kind, uint64_t budget, int n_threads)
{
    mq_rounding *r = NULL;
    bool more = true;
    int n = 0;

    hooks.n_threads = n_threads;
    assert_int_equal(mq_rounding_create(&r, &table, &plan, kind, budget, &hooks, &err), MQ_OK);
    for (;; n++) {
        assert_int_equal(mq_rounding_next(r, &more, &err), MQ_OK);
        if (!more)
            break;
        see(r);
    }
    mq_rounding_free(r);
    return n;
}

static mq_weight *weight_of(const char *name)
{
    return (mq_weight *)&quant_find(name)->weight;
}

/* The error of all results of a product with the weight, whose element (row, column) lies at row_step and col_step. */
static double result_error(const mq_weight *w, const float *values, size_t row_step, size_t col_step)
{
    double sum = 0;

    for (size_t v = 0; v < VECTORS; v++)
        for (size_t r = 0; r < ROWS; r++) {
            double error = 0;
            for (size_t c = 0; c < COLS; c++) {
                const size_t at = r * row_step + c * col_step, s = mq_grid_scale_at(&w->grid, at);
                const int q = mq_weight_integer(w, at) - w->zero_points[s];
                error += ((double)values[at] - q * (double)w->scales[s]) * (double)x[v * COLS + c];
            }
            sum += error * error;
        }
    return sum;
}

static const mq_rounded *entry(const char *name)
{
    for (size_t i = 0; i < table.items.n; i++)
        if (strcmp(table.items.items[i]->name, name) == 0)
            return table.items.items[i];
    fail_msg("'%s' was not rounded", name);
    return NULL;
}

static void forget(void)
{
    mq_rounded_table_release(&table);
}

static void layers_get_nearer(void **state)
{
    static const char *const types[] = { "int8", "uint8", "int4", "uint4", "uint2" };

    (void)state;
    make_two();
    for (int t = 0; t < 5; t++)
        for (int form = 0; form < 6; form++) {
            const double most = form % 2 ? 0.78 : 0.8; /* of the error of rounding to nearest */
            double a, b;
            opts.type = opts.ends_type = types[t];
            opts.per_tensor = form / 2 == 1;
            opts.format = form / 2 == 2 ? MQ_FORMAT_NBITS : MQ_FORMAT_QDQ;
            opts.target = opts.format == MQ_FORMAT_NBITS ? "onnxruntime" : "onnx";
            opts.tensor_types = (mq_names){ &(const char *){ mq_arena_printf(m->arena, "*=%s", types[t]) }, 1 };
            quant_select();
            assert_int_equal(round_plan(form % 2 ? MQ_ROUND_DESCENT : MQ_ROUND_GPTQ, 1 << 20, 1), 1);
            assert_int_equal(table.items.n, 2);
            if (opts.format == MQ_FORMAT_NBITS) /* seen by rows of results */
                assert_int_equal(weight_of("a")->source.dims[0], ROWS);
            else
                assert_int_equal(weight_of("a")->source.dims[0], COLS);
            a = opts.format == MQ_FORMAT_NBITS ? 0 : result_error(weight_of("a"), data[0], 1, ROWS);
            b = result_error(weight_of("b"), data[1], COLS, 1);
            assert_true(entry("a")->error < most * entry("a")->nearest);
            assert_true(entry("b")->error < most * entry("b")->nearest);
            assert_true(entry("b")->nearest < entry("b")->signal);
            assert_true(b <= entry("b")->error && b > 0.2 * entry("b")->error); /* which is damped */
            assert_true(a <= entry("a")->error);
            forget();
        }
}

static void threads_change_nothing(void **state)
{
    uint8_t *one;

    (void)state;
    make_two();
    opts.type = "int4";
    opts.ends_type = "int4";
    quant_select();
    round_plan(MQ_ROUND_DESCENT, 1 << 20, 1);
    one = malloc(COLS * ROWS);
    assert_non_null(one);
    memcpy(one, weight_of("a")->rounded, COLS * ROWS);
    forget();
    quant_select();
    round_plan(MQ_ROUND_DESCENT, 1 << 20, 4);
    assert_memory_equal(one, weight_of("a")->rounded, COLS * ROWS);
    free(one);
    forget();
}

static void what_is_in_the_table_is_copied(void **state)
{
    (void)state;
    make_two();
    quant_select();
    assert_int_equal(round_plan(MQ_ROUND_GPTQ, 1 << 20, 1), 1);
    quant_select();
    assert_null(weight_of("a")->rounded);
    assert_int_equal(round_plan(MQ_ROUND_GPTQ, 1 << 20, 1), 0);
    assert_int_equal(table.items.n, 2);
    assert_memory_equal(weight_of("a")->rounded, entry("a")->integers, COLS * ROWS);
    assert_memory_equal(weight_of("a")->scales, entry("a")->scales, ROWS * sizeof(float));
    opts.type = "uint8"; /* another form is none of them */
    quant_select();
    assert_int_equal(round_plan(MQ_ROUND_GPTQ, 1 << 20, 1), 1);
    assert_int_equal(table.items.n, 4);
    forget();
}

static void sums_beyond_the_budget_are_not_made(void **state)
{
    (void)state;
    make_two();
    quant_select();
    assert_int_equal(round_plan(MQ_ROUND_GPTQ, COLS * COLS * 8 - 1, 1), 0);
    assert_non_null(strstr(warned, "round-wide"));
    assert_null(weight_of("a")->rounded);
    forget();
}

static void given_scales_stay(void **state)
{
    float scale[ROWS];
    mq_weight *w;

    (void)state;
    make_two();
    quant_select();
    w = weight_of("a");
    assert_int_equal(mq_weight_find_params(w, NULL, &err), MQ_OK);
    for (int i = 0; i < ROWS; i++)
        scale[i] = w->scales[i] *= 2;
    w->given = true;
    round_plan(MQ_ROUND_DESCENT, 1 << 20, 1);
    assert_memory_equal(weight_of("a")->scales, scale, sizeof scale);
    assert_true(entry("a")->error < entry("a")->nearest);
    forget();
}

static void integers_are_written_as_they_were_found(void **state)
{
    unsigned char *packed;

    (void)state;
    make_two();
    opts.type = opts.ends_type = "uint4";
    quant_select();
    round_plan(MQ_ROUND_GPTQ, 1 << 20, 1);
    mq_weight_init_makers(weight_of("b"));
    packed = quant_made(&weight_of("b")->make_integers, 2);
    for (size_t i = 0; i < COLS * ROWS; i++)
        assert_int_equal(packed[i / 2] >> (i % 2 * 4) & 15, weight_of("b")->rounded[i]);
    assert_true(weight_of("b")->measured && mq_weight_sqnr(weight_of("b")) > 8 && mq_weight_sqnr(weight_of("b")) < 40);
    free(packed);
    forget();
}

static void nothing_seen_is_said(void **state)
{
    (void)state;
    make_two();
    memset(x, 0, sizeof x);
    quant_select();
    round_plan(MQ_ROUND_GPTQ, 1 << 20, 1);
    assert_non_null(strstr(warned, "round-unseen"));
    assert_null(weight_of("a")->rounded);
    assert_int_equal(table.items.n, 0);
}

/* Seen by rows of results, of which there is one, or the one column is. */
static void a_matrix_of_one_row_is_turned(void **state)
{
    (void)state;
    fill(data[0], COLS, 1);
    fill(x, VECTORS * COLS, 3);
    make_input(g, "x", MQ_FLOAT, "90,48");
    add_weight("a", "48,1", data[0]);
    make_node(g, "MatMul", "x,a", "y");
    make_output(g, "y");
    opts.type = opts.ends_type = "int4";
    opts.format = MQ_FORMAT_NBITS;
    opts.target = "onnxruntime";
    opts.block_size = 16;
    quant_select();
    assert_int_equal(weight_of("a")->source.dims[1], COLS);
    assert_int_equal(round_plan(MQ_ROUND_GPTQ, 1 << 20, 1), 1);
    assert_true(entry("a")->error < entry("a")->nearest);
    forget();
}

/* With the user's scales nobody has looked for what is not finite. */
static void not_finite_stays(void **state)
{
    (void)state;
    make_two();
    data[0][7] = NAN;
    quant_select();
    assert_int_equal(mq_weight_find_params(weight_of("a"), NULL, &err), MQ_OK);
    weight_of("a")->given = true;
    weight_of("a")->bad = (mq_nonfinite){ 0 };
    round_plan(MQ_ROUND_DESCENT, 1 << 20, 1);
    assert_non_null(strstr(warned, "round-nonfinite"));
    assert_null(weight_of("a")->rounded);
    assert_non_null(weight_of("b")->rounded);
    forget();
}

/* A large weight is worked on piece by piece: rows that are repeated are rounded alike wherever they stand. */
static void pieces_do_not_matter(void **state)
{
    enum { MANY = 24000 };
    float *big = malloc((size_t)MANY * COLS * sizeof *big);
    const mq_weight *a, *b;
    mq_value *v;

    (void)state;
    assert_non_null(big);
    make_two();
    for (size_t i = 0; i < (size_t)MANY * COLS; i++)
        big[i] = data[1][i % (COLS * ROWS)];
    v = make_init(g, "big", MQ_FLOAT, "24000,48", NULL);
    v->init->data = big;
    v->init->n_bytes = (size_t)MANY * COLS * sizeof *big;
    make_node_int(g, "Gemm", "x,big", "more", "transB", 1);
    make_output(g, "more");
    quant_select();
    round_plan(MQ_ROUND_DESCENT, 1 << 20, 1);
    a = weight_of("b");
    b = weight_of("big");
    for (size_t i = 0; i < MANY; i++) {
        assert_true(b->scales[i] == a->scales[i % ROWS]);
        assert_memory_equal(b->rounded + i * COLS, a->rounded + i % ROWS * COLS, COLS);
    }
    assert_true(fabs(entry("big")->error / entry("b")->error - MANY / ROWS) < 1e-6 * MANY);
    forget();
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(layers_get_nearer),
        ON_MODEL(threads_change_nothing),
        ON_MODEL(what_is_in_the_table_is_copied),
        ON_MODEL(sums_beyond_the_budget_are_not_made),
        ON_MODEL(given_scales_stay),
        ON_MODEL(integers_are_written_as_they_were_found),
        ON_MODEL(nothing_seen_is_said),
        ON_MODEL(a_matrix_of_one_row_is_turned),
        ON_MODEL(not_finite_stays),
        ON_MODEL(pieces_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
