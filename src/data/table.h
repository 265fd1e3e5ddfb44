/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A table: one file or folder as rows of named columns. Each form of data makes one; dataset.c reads them all alike. */
#ifndef MQ_DATA_TABLE_H
#define MQ_DATA_TABLE_H

#include "graph/array.h"

typedef struct mq_table mq_table;

typedef struct mq_column {
    const char *name;          /* "" when it has none */
    mq_dtype dtype;            /* MQ_UNDEFINED: not known before the row is read */
    int rank;                  /* dense: of the whole array; else of a row; -1: not known before the row is read */
    int64_t dims[MQ_MAX_RANK]; /* -1: rows differ */
    bool dense;                /* one array whose rows lie along axis 0 */
    bool image;                /* rows are pictures: uint8 [height, width, 3] */
    mq_array *array;           /* dense: the whole array, once loaded */
} mq_column;

typedef struct mq_table_ops {
    /* Sets column->array; NULL: they are set from the beginning. */
    mq_status (*load)(mq_table *t, size_t column, mq_error *err);
    /* One row of a column that is not dense, or (where it is set) of a dense one that is not loaded. MQ_ERR_INPUT: the row
     * is bad, others may be good. */
    mq_status (*row)(mq_table *t, size_t column, uint64_t row, mq_array **out, mq_error *err);
    /* Where a row is, for messages; NULL: "PATH, row N". */
    void (*row_text)(const mq_table *t, uint64_t row, char *out, size_t size);
    /* Frees everything but what mq_table_init made; NULL: nothing. */
    void (*release)(mq_table *t);
} mq_table_ops;

/* The first member of each form's own struct. */
struct mq_table {
    const mq_table_ops *ops;
    char *path;
    uint64_t n_rows; /* of columns that are not dense; for dense ones match.c sets it */
    mq_column *columns;
    size_t n_columns;
    bool calls;     /* each row is one run as it is: test data sets */
    bool generated; /* random:N: rows without columns */
};

/* size: of the form's struct, zeroed. */
mq_status mq_table_create(mq_table **out, size_t size, const mq_table_ops *ops, const char *path, size_t n_columns,
                          mq_error *err);
void mq_table_free(mq_table *t); /* NULL is fine */

/* The column of that name; -1: none. */
int mq_table_find(const mq_table *t, const char *name);
/* Dense columns: the whole array, borrowed. */
mq_status mq_table_whole(mq_table *t, size_t column, mq_array **out, mq_error *err);
/* A row as an array of its own (dense: a view without axis 0). */
mq_status mq_table_row(mq_table *t, size_t column, uint64_t row, mq_array **out, mq_error *err);
void mq_table_row_text(const mq_table *t, uint64_t row, char *out, size_t size);
/* "float[256,3,32,32]", "images", "int64 rows". */
void mq_column_text(const mq_column *c, char *out, size_t size);

/* Rows that are all there already: one dense column (takes a reference). */
mq_status mq_table_of_array(mq_table **out, const char *path, mq_array *array, mq_error *err);

/* ---- the forms ---------------------------------------------------------------------------------------------------- */

mq_status mq_table_npy(mq_table **out, const char *path, mq_error *err);
mq_status mq_table_npz(mq_table **out, const char *path, mq_error *err);
/* Columns are named after the first line. */
mq_status mq_table_jsonl(mq_table **out, const char *path, mq_error *err);
/* A folder (searched deep) or a .txt list. */
mq_status mq_table_images(mq_table **out, const char *path, bool is_list, const mq_hooks *hooks, mq_error *err);
/* The path of a row of mq_table_images. */
const char *mq_images_path(const mq_table *t, uint64_t row);
/* Is it an ONNX test folder: does it hold test_data_set_N, or input_0.pb itself? */
bool mq_is_test_folder(const char *path);
/* The folder of a row of mq_table_tests. */
const char *mq_tests_path(const mq_table *t, uint64_t row);
/* Columns are the model's inputs and outputs. */
mq_status mq_table_tests(mq_table **out, const char *path, const mq_value *const *inputs, size_t n_inputs,
                         const mq_value *const *outputs, size_t n_outputs, const mq_hooks *hooks, mq_error *err);

/* Labels of one data table, n_rows of them: `text` as the user wrote it. A key of the data table itself gives column
 * >= 0 and no table. */
mq_status mq_labels_open(mq_table **out, int *column, const char *text, const mq_table *data, const char *option,
                         mq_error *err);
/* The labels.csv that lies in an image folder, when it has a row for every picture; *out stays NULL otherwise, and
 * *why says why (heap, NULL: there is no such file). */
mq_status mq_labels_beside(mq_table **out, char **why, const mq_table *data, mq_error *err);

#endif
