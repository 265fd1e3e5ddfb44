/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Values at run time: a tensor whose elements are in memory, a sequence, an optional.
 *
 * An array is counted; its memory (a block) is counted apart, because several arrays may look at one block (a reshaped
 * view). Memory without a block is borrowed from somebody who outlives the array (a mapped weight). Not for two threads
 * at once: whoever shares arrays between threads shares them read-only, or locks. */
#ifndef MQ_GRAPH_ARRAY_H
#define MQ_GRAPH_ARRAY_H

#include "graph/graph.h"

#define MQ_MAX_RANK 12

/* Counted memory. `free` gets the block itself, once, when nobody refers to it any more. */
typedef struct mq_block mq_block;
struct mq_block {
    void *data; /* aligned to 64 bytes */
    size_t size;
    int refs;
    void (*free)(mq_block *b);
    void *owner; /* for free */
};

/* From malloc, not zeroed; size 0 gives a valid pointer. NULL: out of memory. */
mq_block *mq_block_create(size_t size);
mq_block *mq_block_ref(mq_block *b); /* NULL gives NULL */
void mq_block_unref(mq_block *b);    /* NULL is fine */

typedef struct mq_array mq_array;
struct mq_array {
    mq_type_kind kind; /* TENSOR, SEQUENCE, SPARSE_TENSOR; OPTIONAL: an empty optional (a full one is what it holds) */
    mq_dtype dtype;    /* of a tensor's elements; of a sequence: of its items' elements, MQ_UNDEFINED when not known */
    int rank;
    int64_t dims[MQ_MAX_RANK];
    size_t count;    /* elements of a tensor */
    void *data;      /* row-major, as raw_data packs them; MQ_STRING: `count` mq_bytes */
    bool codes;      /* elements of fewer than 8 bits lie one to a byte (sign-extended for signed types) */
    bool constant;   /* of a plan: never written to, address stays the same */
    const void *layout; /* not NULL: the elements lie in a kernel library's own order (exec/layout.h), not row-major */
    mq_array **items; /* SEQUENCE: n_items of them, one reference each */
    size_t n_items;
    mq_block *block; /* that `data` lies in; NULL: borrowed */
    int refs;
};

/* A tensor with memory of its own, not zeroed (strings: zeroed, so empty). MQ_ERR_INPUT when the rank is over MQ_MAX_RANK,
 * a dim negative, or the size does not fit; MQ_ERR_NOMEM. */
mq_status mq_array_create(mq_array **out, mq_dtype dtype, int rank, const int64_t *dims, mq_error *err);
/* A tensor over memory that is borrowed (block NULL) or shared (takes a reference to block). */
mq_status mq_array_wrap(mq_array **out, mq_dtype dtype, int rank, const int64_t *dims, void *data, mq_block *block,
                        mq_error *err);
/* Over the bytes of a tensor of the graph, which must live longer: no copy where the storage allows it; aligned to its
 * element only when `align` (then small misaligned payloads are copied). Strings become borrowed mq_bytes. */
mq_status mq_array_of_tensor(mq_array **out, mq_tensor *t, bool align, mq_error *err);
/* The reverse: a tensor in m's arena with a copy of the elements (strings too). Plain layout only. */
mq_status mq_tensor_of_array(mq_tensor **out, mq_model *m, const char *name, const mq_array *a, mq_error *err);
/* A sequence of n items (takes a reference to each). */
mq_status mq_array_sequence(mq_array **out, mq_dtype dtype, size_t n, mq_array *const *items, mq_error *err);
/* An optional without a value. */
mq_status mq_array_none(mq_array **out, mq_error *err);
/* A copy with memory of its own (a sequence: new list, same items). */
mq_status mq_array_copy(mq_array **out, const mq_array *a, mq_error *err);

mq_array *mq_array_ref(mq_array *a); /* NULL gives NULL */
void mq_array_unref(mq_array *a);    /* NULL is fine */

/* Bytes from one element to the next: 1 for `codes`; 0 for packed elements of fewer than 8 bits. */
size_t mq_array_elem_size(const mq_array *a);
/* Bytes of all elements as they lie there. */
size_t mq_array_bytes(const mq_array *a);
/* Element i as a number (any numeric type, plain layout): for scalars, axes, shapes. */
int64_t mq_array_i64(const mq_array *a, size_t i);
double mq_array_f64(const mq_array *a, size_t i);
/* Packed elements of fewer than 8 bits to one a byte, and back: a new array. Other types: another reference. */
mq_status mq_array_unpack(mq_array **out, const mq_array *a, mq_error *err);
mq_status mq_array_pack(mq_array **out, const mq_array *a, mq_error *err);
/* "float[1,3,224,224]". */
void mq_array_text(const mq_array *a, char *out, size_t size);

#endif
