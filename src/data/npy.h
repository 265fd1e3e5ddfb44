/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The .npy format (numpy.lib.format, versions 1 to 3): header and elements of one array. */
#ifndef MQ_DATA_NPY_H
#define MQ_DATA_NPY_H

#include "graph/array.h"

/* The longest header that is looked at. */
#define MQ_NPY_MAX_HEADER 65536

typedef struct mq_npy {
    mq_dtype dtype;
    char kind;        /* numpy's: b i u f c S U */
    size_t item_size; /* bytes of an element in the file */
    bool swap;        /* big-endian */
    bool fortran;     /* first axis fastest */
    int rank;
    int64_t dims[MQ_MAX_RANK];
    size_t count;
    size_t header; /* bytes before the elements */
    size_t bytes;  /* of the elements */
} mq_npy;

/* Reads the header from the first n bytes (all of it, or MQ_NPY_MAX_HEADER) of a file of file_size bytes, which must
 * hold all the elements. MQ_ERR_INPUT with `place`. */
mq_status mq_npy_parse(mq_npy *h, const void *data, size_t n, uint64_t file_size, const char *place, mq_error *err);

/* The array over elements that lie in block (takes a reference; without one they are borrowed): a view where the
 * file has them as memory wants them, else a copy. */
mq_status mq_npy_array(mq_array **out, const mq_npy *h, const void *elements, mq_block *block, const char *place,
                       mq_error *err);

/* A block over a buffer's bytes; the reference passes, also on failure. */
mq_status mq_block_of_buf(mq_block **out, mq_buf *buf, mq_error *err);

/* Bytes of a block that will not be read again soon: pages of a mapped file are given back. */
void mq_block_done_with(const mq_block *b, const void *p, size_t n);

/* The header of an array in C order into out, which has room for MQ_NPY_ROOM; returns its size. dtype must be one that
 * mq_npy_dtype gives; text_size: characters of the longest string. */
#define MQ_NPY_ROOM 512
size_t mq_npy_header(char *out, mq_dtype dtype, size_t text_size, bool bytes, int rank, const int64_t *dims);
/* The type that numpy stores elements of dtype as: itself, or the nearest one that holds them. */
mq_dtype mq_npy_dtype(mq_dtype dtype);

#endif
