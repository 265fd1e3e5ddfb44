/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Rows of members, round after round, whether they lie as memory wants them or not; the member itself is not copied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "data/npy.h"
#include "data/npz_zip.h"
#include "data/table.h"
#include "scratch.h"

enum { ROWS = 5, COLUMNS = 100000 }; /* a row: 400 kB; pages are given back several times */

static mq_error err;

/* Names of four lengths, so that elements of some members are not aligned. */
static const char *const names[] = { "a.npy", "bb.npy", "ccc.npy", "dddd.npy" };

static void write_members(const char *path)
{
    const int64_t dims[] = { ROWS, COLUMNS };
    mq_outfile *f = NULL;
    mq_zip_out *z = NULL;
    char header[MQ_NPY_ROOM];
    const size_t n = mq_npy_header(header, MQ_FLOAT, 0, false, 2, dims);
    float *row = malloc(COLUMNS * sizeof *row);

    assert_non_null(row);
    assert_int_equal(mq_outfile_open(&f, path, true, &err), MQ_OK);
    assert_int_equal(mq_zip_create(&z, f, &err), MQ_OK);
    for (size_t k = 0; k < 4; k++) {
        assert_int_equal(mq_zip_begin(z, names[k], n + sizeof(float) * ROWS * COLUMNS, &err), MQ_OK);
        assert_int_equal(mq_zip_put(z, header, n, &err), MQ_OK);
        for (int r = 0; r < ROWS; r++) {
            for (int i = 0; i < COLUMNS; i++)
                row[i] = (float)(r * COLUMNS + i) + (float)k / 4;
            assert_int_equal(mq_zip_put(z, row, COLUMNS * sizeof *row, &err), MQ_OK);
        }
        assert_int_equal(mq_zip_end(z, &err), MQ_OK);
    }
    assert_int_equal(mq_zip_finish(z, &err), MQ_OK);
    mq_zip_discard(z);
    assert_int_equal(mq_outfile_commit(f, false, &err), MQ_OK);
    free(row);
}

static void row_is(mq_table *t, size_t column, int r)
{
    mq_array *a = NULL;
    const float *v;

    assert_int_equal(mq_table_row(t, column, (uint64_t)r, &a, &err), MQ_OK);
    assert_int_equal(a->rank, 1);
    assert_int_equal(a->dims[0], COLUMNS);
    assert_int_equal((uintptr_t)a->data % sizeof(float), 0);
    v = a->data;
    for (int i = 0; i < COLUMNS; i++)
        if (v[i] != (float)(r * COLUMNS + i) + (float)column / 4)
            fail_msg("column %zu, row %d, element %d: %g", column, r, i, v[i]);
    mq_array_unref(a);
}

static void rows_are_read_round_after_round(void **state)
{
    mq_table *t = NULL;
    mq_array *whole = NULL;

    (void)state;
    write_members("x.npz");
    assert_int_equal(mq_table_npz(&t, "x.npz", &err), MQ_OK);
    assert_int_equal(t->n_columns, 4);
    for (size_t column = 0; column < 4; column++) {
        for (int round = 0; round < 2; round++)
            for (int r = 0; r < ROWS; r++)
                row_is(t, column, r);
        assert_null(t->columns[column].array); /* nobody asked for all of it */
    }
    assert_int_equal(mq_table_whole(t, 1, &whole, &err), MQ_OK);
    assert_int_equal(whole->count, ROWS * COLUMNS);
    row_is(t, 1, ROWS - 1);
    row_is(t, 1, 0);
    mq_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_read_round_after_round, scratch_open, scratch_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
