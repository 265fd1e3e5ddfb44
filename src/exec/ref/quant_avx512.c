/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Sums, products, look-ups and rounding of bytes with AVX512, 64 at a time: conversions of bytes to floats and back are what
 * compilers are bad at. */
#include "exec/ref/quant_avx512.h"

#include "base/intrinsics.h"

#define STEP 64

#ifdef MQ_HAS_INTRINSICS

#define TARGET MQ_TARGET("avx512f,avx512bw,avx512dq")
#define LEAF MQ_TARGET("avx512f,avx512bw,avx512dq") MQ_INLINE

static int64_t steps(int64_t n)
{
    return mq_isa_now() >= MQ_ISA_AVX512 ? n / STEP * STEP : 0;
}

LEAF __m512 widen(bool is_signed, const uint8_t *p)
{
    const __m128i bytes = _mm_loadu_si128((const void *)p);

    return _mm512_cvtepi32_ps(is_signed ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes));
}

typedef struct range {
    bool is_signed;
    float low, high;
} range;

static range range_of(mq_dtype type)
{
    return type == MQ_INT8 ? (range){ true, -128, 127 } : (range){ false, 0, 255 };
}

/* To the nearest integer, halves to even, within the range; NaN to the least. */
LEAF __m512i round_within(__m512 q, float low, float high)
{
    return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(q, _mm512_set1_ps(low)), _mm512_set1_ps(high)));
}

/* Four times 16 integers as 64 bytes; packing goes by quarters, which are put in order at last. */
LEAF void narrow(bool is_signed, const __m512i v[4], uint8_t *to)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i low = _mm512_packs_epi32(v[0], v[1]), high = _mm512_packs_epi32(v[2], v[3]);
    const __m512i bytes = is_signed ? _mm512_packs_epi16(low, high) : _mm512_packus_epi16(low, high);

    _mm512_storeu_si512(to, _mm512_permutexvar_epi32(order, bytes));
}

/* ---- pairs -------------------------------------------------------------------------------------------------------- */

LEAF void add(bool is_signed, const uint8_t *a, const uint8_t *b, int64_t n, const mq_i8_pair *p, uint8_t *y)
{
    const __m512 ra = _mm512_set1_ps(p->a_ratio), rb = _mm512_set1_ps(p->b_ratio), base = _mm512_set1_ps(p->base);
    const float low = is_signed ? -128 : 0, high = is_signed ? 127 : 255;

    for (int64_t k = 0; k < n; k += STEP) {
        __m512i v[4];
        for (int j = 0; j < 4; j++) {
            const __m512 inner = _mm512_fmadd_ps(widen(is_signed, b + k + 16 * j), rb, base);
            v[j] = round_within(_mm512_fmadd_ps(widen(is_signed, a + k + 16 * j), ra, inner), low, high);
        }
        narrow(is_signed, v, y + k);
    }
}

LEAF void mul(bool is_signed, const uint8_t *a, const uint8_t *b, int64_t n, const mq_i8_pair *p, uint8_t *y)
{
    const __m512 za = _mm512_set1_ps((float)p->a_zero), zb = _mm512_set1_ps((float)p->b_zero);
    const __m512 ratio = _mm512_set1_ps(p->ratio), zero = _mm512_set1_ps((float)p->y_zero);
    const float low = is_signed ? -128 : 0, high = is_signed ? 127 : 255;

    for (int64_t k = 0; k < n; k += STEP) {
        __m512i v[4];
        for (int j = 0; j < 4; j++) {
            const __m512 x = _mm512_sub_ps(widen(is_signed, a + k + 16 * j), za);
            const __m512 z = _mm512_sub_ps(widen(is_signed, b + k + 16 * j), zb);
            v[j] = round_within(_mm512_add_ps(_mm512_mul_ps(_mm512_mul_ps(x, z), ratio), zero), low, high);
        }
        narrow(is_signed, v, y + k);
    }
}

#define PAIR(name)                                                                                                        \
    TARGET static void name##_s8(const void *a, const void *b, int64_t n, const mq_i8_pair *p, void *y)                   \
    {                                                                                                                     \
        name(true, a, b, n, p, y);                                                                                        \
    }                                                                                                                     \
    TARGET static void name##_u8(const void *a, const void *b, int64_t n, const mq_i8_pair *p, void *y)                   \
    {                                                                                                                     \
        name(false, a, b, n, p, y);                                                                                       \
    }                                                                                                                     \
    int64_t mq_i8_##name##_zmm(mq_dtype type, const void *a, const void *b, int64_t n, const mq_i8_pair *p, void *y)\
    {                                                                                                                     \
        if ((n = steps(n)) > 0)                                                                                           \
            (type == MQ_INT8 ? name##_s8 : name##_u8)(a, b, n, p, y);                                                     \
        return n;                                                                                                         \
    }
PAIR(add)
PAIR(mul)

/* ---- floats and sums to bytes ------------------------------------------------------------------------------------- */

/* Bounds are those of the sum with the zero point, which is added to the integer. */
TARGET static void quantize(const float *x, int64_t n, float scale, int32_t zero, range r, uint8_t *dst)
{
    const float low = r.low - (float)zero, high = r.high - (float)zero;

    for (int64_t k = 0; k < n; k += STEP) {
        __m512i v[4];
        for (int j = 0; j < 4; j++) {
            const __m512 q = _mm512_div_ps(_mm512_loadu_ps(x + k + 16 * j), _mm512_set1_ps(scale));
            v[j] = _mm512_add_epi32(round_within(q, low, high), _mm512_set1_epi32(zero));
        }
        narrow(r.is_signed, v, dst + k);
    }
}

int64_t mq_i8_quantize_zmm(const float *x, int64_t n, float scale, int32_t zero, mq_dtype type, void *dst)
{
    if ((n = steps(n)) > 0)
        quantize(x, n, scale, zero, range_of(type), dst);
    return n;
}

TARGET static void requantize(const int32_t *acc, int64_t n, const float *factors, int32_t zero, range r, uint8_t *dst)
{
    const float low = r.low - (float)zero, high = r.high - (float)zero;

    for (int64_t k = 0; k < n; k += STEP) {
        __m512i v[4];
        for (int j = 0; j < 4; j++) {
            const __m512 sum = _mm512_cvtepi32_ps(_mm512_loadu_si512(acc + k + 16 * j));
            const __m512 q = _mm512_mul_ps(sum, _mm512_loadu_ps(factors + k + 16 * j));
            v[j] = _mm512_add_epi32(round_within(q, low, high), _mm512_set1_epi32(zero));
        }
        narrow(r.is_signed, v, dst + k);
    }
}

int64_t mq_i8_requantize_zmm(const int32_t *acc, int64_t n, const float *factors, int32_t zero, mq_dtype type, void *dst)
{
    if ((n = steps(n)) > 0)
        requantize(acc, n, factors, zero, range_of(type), dst);
    return n;
}

/* ---- tables ------------------------------------------------------------------------------------------------------- */

/* The low seven bits choose among 128 entries of each half, the eighth chooses the half. */
MQ_TARGET("avx512f,avx512bw,avx512vbmi")
static void look_up(const uint8_t *table, const uint8_t *in, int64_t rows, int64_t n, uint8_t *out, int64_t step)
{
    const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64);
    const __m512i t2 = _mm512_loadu_si512(table + 128), t3 = _mm512_loadu_si512(table + 192);

    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < n; k += STEP) {
            const __mmask64 some = n - k < STEP ? ((__mmask64)1 << (n - k)) - 1 : ~(__mmask64)0;
            const __m512i x = _mm512_maskz_loadu_epi8(some, in + r * n + k);
            const __m512i lower = _mm512_permutex2var_epi8(t0, x, t1), upper = _mm512_permutex2var_epi8(t2, x, t3);
            _mm512_mask_storeu_epi8(out + r * step + k, some, _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), lower, upper));
        }
}

bool mq_i8_look_up_zmm(const uint8_t *table, const uint8_t *in, int64_t rows, int64_t n, uint8_t *out, int64_t step)
{
    if (mq_isa_now() < MQ_ISA_AVX512 || !MQ_CPU_HAS("avx512vbmi"))
        return false;
    look_up(table, in, rows, n, out, step);
    return true;
}

#else

int64_t mq_i8_add_zmm(MQ_UNUSED mq_dtype type, MQ_UNUSED const void *a, MQ_UNUSED const void *b, MQ_UNUSED int64_t n,
                         MQ_UNUSED const mq_i8_pair *p, MQ_UNUSED void *y)
{
    return 0;
}

int64_t mq_i8_mul_zmm(MQ_UNUSED mq_dtype type, MQ_UNUSED const void *a, MQ_UNUSED const void *b, MQ_UNUSED int64_t n,
                         MQ_UNUSED const mq_i8_pair *p, MQ_UNUSED void *y)
{
    return 0;
}

int64_t mq_i8_quantize_zmm(MQ_UNUSED const float *x, MQ_UNUSED int64_t n, MQ_UNUSED float scale, MQ_UNUSED int32_t zero,
                              MQ_UNUSED mq_dtype type, MQ_UNUSED void *dst)
{
    return 0;
}

int64_t mq_i8_requantize_zmm(MQ_UNUSED const int32_t *acc, MQ_UNUSED int64_t n, MQ_UNUSED const float *factors,
                                MQ_UNUSED int32_t zero, MQ_UNUSED mq_dtype type, MQ_UNUSED void *dst)
{
    return 0;
}

bool mq_i8_look_up_zmm(MQ_UNUSED const uint8_t *table, MQ_UNUSED const uint8_t *in, MQ_UNUSED int64_t rows,
                       MQ_UNUSED int64_t n, MQ_UNUSED uint8_t *out, MQ_UNUSED int64_t step)
{
    return false;
}

#endif
