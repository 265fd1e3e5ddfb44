/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Attention of ai.onnx without caches, and mq::Attention (ops/attention_op.h): two products over all heads, which read heads
 * where they lie in [B, S, N * D], and between them scale, mask and Softmax in one pass over each row of scores. Where the
 * library would take its older matrix product, whose sums depend on the number of threads, each head has products of its
 * own on one thread, and the threads share the heads. */
#include <omp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/intrinsics.h"
#include "exec/onednn/kernels.h"
#include "exec/ref/vmath_lane.h"
#include "ops/attention_op.h"

enum { IN_Q, IN_K, IN_V, IN_MASK };
#define LANES 16
#define MORE(a, b) ((a) > (b) ? (a) : (b)) /* NaN as the first does not count */
#define LEAST -86.0f /* its power is no subnormal number, which CPUs are slow with; what is less becomes 0 */

typedef struct attention {
    int64_t batch, heads, queries, keys, size, v_size;
    float scale;
    bool apart; /* [B, N, S, D] */
    bool mask, empty_is_nan;
    int64_t mask_at[3]; /* steps of the mask along batch, heads and queries; 0: one for all */
    int threads, row_threads;
    int n_ops;               /* 1, or one for each thread that takes heads */
    bool split;              /* head by head */
    mq_dn_op **scores, **sums;
} attention;

static void release(void *state)
{
    attention *s = state;

    for (int i = 0; i < s->n_ops; i++) {
        mq_dn_free(s->scores ? s->scores[i] : NULL);
        mq_dn_free(s->sums ? s->sums[i] : NULL);
    }
    free(s->scores);
    free(s->sums);
    free(s);
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

/* x times scale, and the mask; the largest, where NaN does not count. A loop that does both stays scalar with AVX2. */
MQ_CLONES(float, add_mask, (float *restrict x, const mq_unaligned_f32 *restrict mask, int64_t n, float scale),
          (x, mask, n, scale))
{
    float lane[LANES], most = -INFINITY;
    int64_t i = 0;

    for (int64_t k = 0; k < n; k++)
        x[k] = x[k] * scale + mask[k];
    for (int l = 0; l < LANES; l++)
        lane[l] = most;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] = MORE(x[i + l], lane[l]);
    for (; i < n; i++)
        most = MORE(x[i], most);
    for (int l = 0; l < LANES; l++)
        most = MORE(lane[l], most);
    return most;
}

/* e^d for d <= 0. */
MQ_INLINE float power(float d)
{
    float n;
    const float r = mq_lane_reduce(mq_lane_at_least(d, LEAST), 0.0f, &n);
    const float two = mq_bits_float((mq_bits_of(n) - 0x4b400000u + 127u) << 23);

    return mq_lane_select(mq_bits_mask(d < LEAST), 0.0f, (1.0f + mq_lane_expm1_small(r)) * two);
}

/* e^(x - most), over their sum, which is made of lanes. NaN anywhere makes all of it NaN. */
MQ_CLONES(void, share, (float *restrict x, int64_t n, float most), (x, n, most))
{
    float sum[LANES] = { 0 }, f;
    int64_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            x[i + l] = power(x[i + l] - most);
            sum[l] += x[i + l];
        }
    for (int l = 0; i < n; i++, l++) {
        x[i] = power(x[i] - most);
        sum[l] += x[i];
    }
    for (int l = 1; l < LANES; l++)
        sum[0] += sum[l];
    f = 1 / sum[0];
    for (int64_t k = 0; k < n; k++)
        x[k] *= f;
}

#ifdef MQ_HAS_INTRINSICS
#define AVX512 MQ_TARGET("avx512f,avx512bw,avx512dq")
#define LEAF AVX512 MQ_INLINE

/* As mq_lane_expm1_small has it, with one rounding for each step. */
LEAF __m512 power_512(__m512 d)
{
    static const float p[] = { 0x1.6d771cp-10f, 0x1.120cbep-7f, 0x1.5554b8p-5f, 0x1.5554dcp-3f, 0.5f, 1, 1 };
    const __mmask16 counts = _mm512_cmp_ps_mask(d, _mm512_set1_ps(LEAST), _CMP_NLT_UQ);
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(d, _mm512_set1_ps(0x1.715476p0f)), _MM_FROUND_TO_NEAREST_INT);
    const __m512 off = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.62ep-1f), d);
    const __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.0bfbe8p-15f), off);
    __m512 e = _mm512_set1_ps(p[0]);

    for (size_t i = 1; i < MQ_ARRAY_LEN(p); i++)
        e = _mm512_fmadd_ps(e, r, _mm512_set1_ps(p[i]));
    return _mm512_maskz_scalef_ps(counts, e, n);
}

LEAF __mmask16 some(int64_t left)
{
    return left >= LANES ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
}

AVX512 static float add_mask_512(float *x, const mq_unaligned_f32 *mask, int64_t n, float scale)
{
    const __m512 by = _mm512_set1_ps(scale);
    __m512 most = _mm512_set1_ps(-INFINITY);

    for (int64_t i = 0; i < n; i += LANES) {
        const __mmask16 m = some(n - i);
        const __m512 v = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, x + i), by, _mm512_maskz_loadu_ps(m, mask + i));

        _mm512_mask_storeu_ps(x + i, m, v);
        most = _mm512_mask_max_ps(most, m, v, most); /* the second where one is NaN */
    }
    return _mm512_reduce_max_ps(most);
}

AVX512 static void share_512(float *x, int64_t n, float most)
{
    const __m512 off = _mm512_set1_ps(most);
    __m512 sum = _mm512_setzero_ps();

    for (int64_t i = 0; i < n; i += LANES) {
        const __mmask16 m = some(n - i);
        const __m512 e = power_512(_mm512_sub_ps(_mm512_maskz_loadu_ps(m, x + i), off));

        _mm512_mask_storeu_ps(x + i, m, e);
        sum = _mm512_mask_add_ps(sum, m, sum, e);
    }
    const __m512 f = _mm512_set1_ps(1 / _mm512_reduce_add_ps(sum));
    for (int64_t i = 0; i < n; i += LANES) {
        const __mmask16 m = some(n - i);
        _mm512_mask_storeu_ps(x + i, m, _mm512_mul_ps(_mm512_maskz_loadu_ps(m, x + i), f));
    }
}
#endif

/* Of a row without a score above -infinity, as Attention has it: NaN where one is NaN, unless the mask hides all of it. */
static void clear(float *x, const mq_unaligned_f32 *mask, int64_t n)
{
    bool hidden = true, nan = false;

    for (int64_t k = 0; k < n; k++) {
        hidden = hidden && mask[k] == -INFINITY;
        nan = nan || isnan(x[k]);
    }
    for (int64_t k = 0; k < n; k++)
        x[k] = nan && !hidden ? NAN : 0;
}

static float start_row(float *x, const mq_unaligned_f32 *mask, int64_t n, float scale)
{
#ifdef MQ_HAS_INTRINSICS
    if (mq_isa_now() >= MQ_ISA_AVX512)
        return add_mask_512(x, mask, n, scale);
#endif
    return add_mask(x, mask, n, scale);
}

static void end_row(float *x, int64_t n, float most)
{
#ifdef MQ_HAS_INTRINSICS
    if (mq_isa_now() >= MQ_ISA_AVX512) {
        share_512(x, n, most);
        return;
    }
#endif
    share(x, n, most);
}

/* Row r of all rows of scores. */
static void softmax(const attention *s, float *scores, const mq_unaligned_f32 *mask, int64_t r)
{
    const int64_t h = r / s->queries, n = s->keys;
    const mq_unaligned_f32 *row = mask + h / s->heads * s->mask_at[0] + h % s->heads * s->mask_at[1] +
                                  r % s->queries * s->mask_at[2];
    float *x = scores + r * n;
    const float most = start_row(x, row, n, s->scale);

    if (most == -INFINITY && !s->empty_is_nan)
        clear(x, row, n);
    else
        end_row(x, n, most);
}

/* ---- running ------------------------------------------------------------------------------------------------------ */

typedef struct operands {
    const float *q, *k, *v;
    const mq_unaligned_f32 *mask;
    float *scores, *y;
} operands;

static mq_status run_whole(mq_call *c, const attention *s, const operands *o)
{
    const mq_dn_arg first[] = { { MQ_DN_SRC, o->q }, { MQ_DN_WEIGHTS, o->k }, { MQ_DN_DST, o->scores } };
    const mq_dn_arg second[] = { { MQ_DN_SRC, o->scores }, { MQ_DN_WEIGHTS, o->v }, { MQ_DN_DST, o->y } };
    const int64_t rows = s->batch * s->heads * s->queries;
    mq_status rc;

    MQ_TRY(mq_dn_run(c, s->scores[0], 3, first));
#pragma omp parallel for num_threads(s->row_threads) schedule(static) if (s->row_threads > 1)
    for (int64_t r = 0; r < rows; r++)
        softmax(s, o->scores, o->mask, r);
    MQ_TRY(mq_dn_run(c, s->sums[0], 3, second));
done:
    return rc;
}

/* Where head i begins, of rows of n elements. */
static int64_t head_at(const attention *s, int64_t i, int64_t rows, int64_t n)
{
    return s->apart ? i * rows * n : (i / s->heads * rows * s->heads + i % s->heads) * n;
}

static mq_status run_head(const attention *s, const operands *o, int64_t i, int t, void *scratch)
{
    float *x = o->scores + i * s->queries * s->keys;
    const mq_dn_arg first[] = { { MQ_DN_SRC, o->q + head_at(s, i, s->queries, s->size) },
                                { MQ_DN_WEIGHTS, o->k + head_at(s, i, s->keys, s->size) },
                                { MQ_DN_DST, x } };
    const mq_dn_arg second[] = { { MQ_DN_SRC, x },
                                 { MQ_DN_WEIGHTS, o->v + head_at(s, i, s->keys, s->v_size) },
                                 { MQ_DN_DST, o->y + head_at(s, i, s->queries, s->v_size) } };
    mq_error ignored;
    mq_status rc = mq_dn_execute(s->scores[t], 3, first, scratch, &ignored);

    for (int64_t r = i * s->queries; r < (i + 1) * s->queries; r++)
        softmax(s, o->scores, o->mask, r);
    return rc == MQ_OK ? mq_dn_execute(s->sums[t], 3, second, scratch, &ignored) : rc;
}

static mq_status run_heads(mq_call *c, const attention *s, const operands *o)
{
    const size_t a = mq_dn_scratch_bytes(s->scores[0]), b = mq_dn_scratch_bytes(s->sums[0]);
    const size_t size = ((a > b ? a : b) + 63) / 64 * 64;
    char *scratch = size ? mq_call_scratch(c, size * (size_t)s->n_ops) : NULL;
    const int64_t heads = s->batch * s->heads;
    mq_status status = MQ_OK;

    if (size && !scratch)
        return MQ_ERR_NOMEM;
#pragma omp parallel for num_threads(s->n_ops) schedule(static) if (s->n_ops > 1)
    for (int64_t i = 0; i < heads; i++) {
        const int t = omp_get_thread_num();
        const mq_status done = run_head(s, o, i, t, scratch ? scratch + size * (size_t)t : NULL);

        if (done != MQ_OK) {
#pragma omp atomic write
            status = done;
        }
    }
    if (status == MQ_OK)
        return MQ_OK;
    return status == MQ_ERR_NOMEM ? mq_oom(c->err) : mq_call_unsupported(c, "oneDNN fails");
}

static mq_status run(mq_call *c, void *state)
{
    const attention *s = state;
    const int64_t dims[] = { s->batch, s->heads, s->queries, s->v_size };
    const int64_t joined[] = { s->batch, s->queries, s->heads * s->v_size };
    float *x = mq_call_scratch(c, (size_t)(s->batch * s->heads * s->queries * s->keys) * sizeof *x), *y = NULL;
    float *nothing = s->mask ? NULL : mq_call_scratch(c, (size_t)s->keys * sizeof *nothing);
    mq_status rc;

    if (!x || (!s->mask && !nothing))
        return MQ_ERR_NOMEM;
    if (nothing)
        memset(nothing, 0, (size_t)s->keys * sizeof *nothing);
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, s->apart ? 4 : 3, s->apart ? dims : joined, (void **)&y));
    const operands o = { c->in[IN_Q]->data, c->in[IN_K]->data, c->in[IN_V]->data,
                         s->mask ? c->in[IN_MASK]->data : nothing, x, y };
    rc = s->split ? run_heads(c, s, &o) : run_whole(c, s, &o);
done:
    return rc;
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

/* Rows of n elements of all heads, apart or joined, as matrices; turned: their transposed ones. split: of one head. */
static bool describe(mq_dn_desc *d, const attention *s, bool apart, int64_t rows, int64_t n, bool turned)
{
    const int64_t row = apart ? n : s->heads * n, head = apart ? rows * n : n, all = s->heads * rows * n;
    const int64_t dims[] = { s->batch, s->heads, turned ? n : rows, turned ? rows : n };
    const int64_t strides[] = { all, head, turned ? 1 : row, turned ? row : 1 };

    return s->split ? mq_dn_strided(d, MQ_FLOAT, 2, dims + 2, strides + 2) : mq_dn_strided(d, MQ_FLOAT, 4, dims, strides);
}

/* Number i of the two products. */
static mq_status make_pair(mq_call *c, attention *s, int threads, int i)
{
    mq_dn_desc q, k, v, x, y;
    mq_status rc;

    if (!describe(&q, s, s->apart, s->queries, s->size, false) || !describe(&k, s, s->apart, s->keys, s->size, true) ||
        !describe(&v, s, s->apart, s->keys, s->v_size, false) || !describe(&x, s, true, s->queries, s->keys, false) ||
        !describe(&y, s, s->apart, s->queries, s->v_size, false))
        return MQ_OK;
    MQ_TRY(mq_dn_make_matmul(c, threads, &q, &k, NULL, &x, NULL, &s->scores[i]));
    MQ_TRY(mq_dn_make_matmul(c, threads, &x, &v, NULL, &y, NULL, &s->sums[i]));
done:
    return rc;
}

static bool is_made(const attention *s)
{
    for (int i = 0; i < s->n_ops; i++)
        if (!s->scores[i] || !s->sums[i] || mq_dn_is_slow(s->scores[i]) || mq_dn_is_slow(s->sums[i]))
            return false;
    return true;
}

/* What is chosen does not depend on the threads. */
static mq_status make(mq_call *c, attention *s)
{
    const int64_t heads = s->batch * s->heads;
    mq_status rc;

    s->scores = calloc((size_t)s->threads, sizeof *s->scores);
    s->sums = calloc((size_t)s->threads, sizeof *s->sums);
    s->n_ops = s->scores && s->sums ? 1 : 0;
    if (!s->n_ops)
        return mq_oom(c->err);
    rc = make_pair(c, s, s->threads, 0);
    if (rc != MQ_OK || !s->scores[0] || !s->sums[0] || (!mq_dn_is_gemm(s->scores[0]) && !mq_dn_is_gemm(s->sums[0])))
        return rc;
    mq_dn_free(s->scores[0]);
    mq_dn_free(s->sums[0]);
    s->scores[0] = s->sums[0] = NULL;
    s->split = true;
    s->n_ops = heads < s->threads ? (int)heads : s->threads;
    for (int i = 0; i < s->n_ops && rc == MQ_OK; i++)
        rc = make_pair(c, s, 1, i);
    return rc;
}

/* ---- cases -------------------------------------------------------------------------------------------------------- */

/* An operand of that many heads, in one of the two forms. */
static bool cut(const mq_array *a, int64_t heads, int64_t *batch, int64_t *rows, int64_t *size)
{
    if (a->dtype != MQ_FLOAT || a->constant || !a->count || (a->rank == 3 && (heads < 1 || a->dims[2] % heads)))
        return false;
    *batch = a->dims[0];
    *rows = a->dims[a->rank - 2];
    *size = a->rank == 4 ? a->dims[3] : a->dims[2] / heads;
    return a->rank == 3 || (a->rank == 4 && a->dims[1] == heads);
}

static bool read_operands(const mq_call *c, attention *s)
{
    const mq_array *q = c->in[IN_Q], *k = c->in[IN_K], *v = c->in[IN_V];
    const int64_t kv_heads = mq_node_attr_int(c->node, "kv_num_heads", 0);
    int64_t batch[2], rows, size;

    s->apart = q->rank == 4;
    s->heads = s->apart ? q->dims[1] : mq_node_attr_int(c->node, "q_num_heads", 0);
    return q->rank == k->rank && q->rank == v->rank && (q->rank == 4 || (q->rank == 3 && kv_heads == s->heads)) &&
           cut(q, s->heads, &s->batch, &s->queries, &s->size) && cut(k, s->heads, &batch[0], &s->keys, &size) &&
           cut(v, s->heads, &batch[1], &rows, &s->v_size) && batch[0] == s->batch && batch[1] == s->batch &&
           rows == s->keys && size == s->size;
}

/* What is added: floats whose last axis is the keys'. */
static bool read_mask(const mq_array *a, attention *s)
{
    const int64_t dims[4] = { s->batch, s->heads, s->queries, s->keys };
    int64_t step = s->keys;

    if (a->dtype != MQ_FLOAT || a->rank < 1 || a->rank > 4 || a->dims[a->rank - 1] != s->keys)
        return false;
    for (int i = a->rank - 2, d = 2; i >= 0; i--, d--) {
        if (a->dims[i] != 1 && a->dims[i] != dims[d])
            return false;
        s->mask_at[d] = a->dims[i] == 1 ? 0 : step;
        step *= a->dims[i];
    }
    return s->mask = true;
}

/* Attributes of Attention that ask for more. */
static bool is_plain(const mq_call *c)
{
    static const char *const others[] = { "is_causal", "qk_matmul_output_mode" };
    bool plain = c->n_in >= 3 && mq_node_attr_float(c->node, "softcap", 0) == 0 &&
                 mq_node_attr_int(c->node, "left_window_size", -1) == -1 &&
                 mq_node_attr_int(c->node, "right_window_size", -1) == -1;

    for (size_t i = 0; i < MQ_ARRAY_LEN(others); i++)
        plain = plain && !mq_node_attr_int(c->node, others[i], 0);
    for (size_t i = 0; i < 3; i++)
        plain = plain && mq_call_has(c, i);
    for (size_t i = IN_MASK + 1; i < c->n_in; i++)
        plain = plain && !mq_call_has(c, i);
    for (size_t i = 1; i < c->n_out; i++)
        plain = plain && !mq_call_wants(c, i);
    return plain;
}

static mq_status prepare(mq_call *c, bool empty_is_nan, void **state)
{
    attention s = { .empty_is_nan = empty_is_nan }, *made;
    const mq_attr *scale = mq_node_attr(c->node, "scale");
    double macs, rows;
    mq_status rc;

    if (!is_plain(c) || !read_operands(c, &s) || (mq_call_has(c, IN_MASK) && !read_mask(c->in[IN_MASK], &s)))
        return MQ_OK;
    rows = (double)s.batch * (double)s.heads * (double)s.queries;
    macs = rows * (double)s.keys * (double)(s.size < s.v_size ? s.size : s.v_size);
    if (rows * (double)s.keys > 1e12)
        return MQ_OK;
    s.scale = scale && scale->type == MQ_ATTR_FLOAT ? scale->f : (float)(1 / sqrt((double)s.size));
    s.threads = mq_dn_threads_macs(c, macs);
    s.row_threads = mq_dn_threads_bytes(c, rows * (double)s.keys * 16);
    if (!(made = malloc(sizeof *made)))
        return mq_oom(c->err);
    *made = s;
    rc = make(c, made);
    return mq_dn_prepared(rc, rc == MQ_OK && is_made(made), made, release, state);
}

static mq_status standard_prepare(mq_call *c, void **state)
{
    return prepare(c, false, state);
}

static mq_status fused_prepare(mq_call *c, void **state)
{
    return prepare(c, true, state);
}

const mq_fast mq_dn_attention_rows[] = {
    { "", "Attention", "onednn:attention", standard_prepare, run, release, 0 },
    { MQ_ATTENTION_DOMAIN, MQ_ATTENTION_OP, "onednn:attention", fused_prepare, run, release, 0 },
    { 0 },
};
