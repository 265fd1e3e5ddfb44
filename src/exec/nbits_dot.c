/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Products of packed columns with rows of 8-bit integers: in plain C, with AVX2 and with AVX512-VNNI. */
#include "exec/nbits_dot.h"

#include <stdbool.h>
#include <string.h>

#include "base/compiler.h"
#include "base/intrinsics.h"

#define STEP MQ_NBITS_STEP
#define LANES MQ_NBITS_LANES
#define ROWS MQ_NBITS_ROWS

/* The first block of the step at byte `at`, and how many lanes one block has there. */
static inline int64_t block_at(const mq_nbits_column *c, int64_t at)
{
    return at >> c->shift;
}

static inline int block_lanes(const mq_nbits_column *c)
{
    return 1 << c->shift >= STEP ? LANES : 1 << c->shift >> 2;
}

static inline int64_t steps_of(const mq_nbits_column *c)
{
    return (c->bytes + STEP - 1) / STEP;
}

/* Lanes are added in halves. */
static float sum_lanes(float *lane)
{
    for (int step = LANES / 2; step; step /= 2)
        for (int l = 0; l < step; l++)
            lane[l] += lane[l + step];
    return lane[0];
}

/* ---- plain C ------------------------------------------------------------------------------------------------------ */

/* 16 exact sums of a step. */
MQ_CLONES(void, multiply_4, (const uint8_t *restrict codes, const int8_t *restrict a, int32_t *restrict sum),
          (codes, a, sum))
{
    for (int l = 0; l < LANES; l++) {
        int32_t s = 0;
        for (int i = 4 * l; i < 4 * l + 4; i++)
            s += (codes[i] & 15) * a[i] + (codes[i] >> 4) * a[STEP + i];
        sum[l] = s;
    }
}

MQ_CLONES(void, multiply_8, (const uint8_t *restrict codes, const int8_t *restrict a, int32_t *restrict sum),
          (codes, a, sum))
{
    for (int l = 0; l < LANES; l++) {
        int32_t s = 0;
        for (int i = 4 * l; i < 4 * l + 4; i++)
            s += codes[i] * a[i];
        sum[l] = s;
    }
}

static void add_step(const mq_nbits_column *c, int64_t at, const mq_nbits_row *a, const float *factors, float *lane)
{
    const int half = 1 << (c->bits - 1), wide = block_lanes(c);
    const int64_t size = c->bytes - at < STEP ? c->bytes - at : STEP, block = block_at(c, at);
    const int32_t *sums = a->sums + at / STEP * LANES;
    const uint8_t *codes = c->codes + at;
    uint8_t last[STEP] = { 0 };
    int32_t sum[LANES];

    if (size < STEP)
        codes = memcpy(last, codes, (size_t)size);
    if (c->bits == 4)
        multiply_4(codes, a->q + 2 * at, sum);
    else
        multiply_8(codes, a->q + at, sum);
    for (int l = 0; l < LANES; l++) {
        const int32_t zero = c->zeros ? c->zeros[block + l / wide] : half;
        lane[l] += (float)(sum[l] - zero * sums[l]) * factors[block + l / wide];
    }
}

static void dot_plain(const mq_nbits_column *c, int rows, const mq_nbits_row *a, float *out)
{
    for (int r = 0; r < rows; r++) {
        float lane[LANES] = { 0 };

        for (int64_t at = 0; at < c->bytes; at += STEP)
            add_step(c, at, &a[r], c->factors + r * c->factors_row, lane);
        out[r] = sum_lanes(lane);
    }
}

/* ---- AVX2 --------------------------------------------------------------------------------------------------------- */

#ifdef MQ_HAS_INTRINSICS
#define AVX2 MQ_TARGET("avx2")
#define AVX2_LEAF MQ_TARGET("avx2") MQ_INLINE

/* Sums of four products each. No pair of products is beyond 16 bits: codes of 8 bits go in as seven and the eighth, which
 * stands for 128. */
AVX2_LEAF __m256i products_256(int bits, __m256i codes, const int8_t *a, int half)
{
    const __m256i ones = _mm256_set1_epi16(1), q = _mm256_loadu_si256((const void *)(a + half));

    if (bits == 4) {
        const __m256i nibble = _mm256_set1_epi8(15), high = _mm256_loadu_si256((const void *)(a + STEP + half));
        const __m256i h = _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble);
        const __m256i p = _mm256_maddubs_epi16(_mm256_and_si256(codes, nibble), q);

        return _mm256_madd_epi16(_mm256_add_epi16(p, _mm256_maddubs_epi16(h, high)), ones);
    }
    const __m256i top = _mm256_and_si256(_mm256_cmpgt_epi8(_mm256_setzero_si256(), codes), q);
    const __m256i low = _mm256_maddubs_epi16(_mm256_and_si256(codes, _mm256_set1_epi8(127)), q);
    const __m256i high = _mm256_slli_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), top), 7);

    return _mm256_add_epi32(_mm256_madd_epi16(low, ones), _mm256_madd_epi16(high, ones));
}

/* As sum_lanes goes on. */
AVX2_LEAF float sum_256(__m256 lanes)
{
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));

    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

/* Which of up to four blocks that begin in a step each of 8 lanes takes, from lane `first` on. */
AVX2_LEAF __m256i picks_256(int wide, int first)
{
    const __m256i lane = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(first));

    return _mm256_srli_epi32(lane, wide == 4 ? 2 : wide == 8 ? 3 : 4);
}

AVX2_LEAF __m256 lanes_256(const void *four, __m256i picks)
{
    return _mm256_permutevar_ps(_mm256_broadcast_ps(four), picks);
}

/* -zero times the sums; a shift where zero is half of the range. */
AVX2_LEAF __m256i start_256(int bits, bool zeros, __m256i zero, const int32_t *sums)
{
    const __m256i s = _mm256_loadu_si256((const void *)sums);

    return _mm256_sub_epi32(_mm256_setzero_si256(), zeros ? _mm256_mullo_epi32(zero, s) : _mm256_slli_epi32(s, bits - 1));
}

AVX2_LEAF void dot_256(int bits, bool zeros, const mq_nbits_column *c, int rows, const mq_nbits_row *a, float *out)
{
    const int wide = block_lanes(c);
    const __m256i picks[2] = { picks_256(wide, 0), picks_256(wide, 8) };
    __m256 lanes[ROWS][2];
    uint8_t last[STEP] = { 0 };

    for (int r = 0; r < rows; r++)
        lanes[r][0] = lanes[r][1] = _mm256_setzero_ps();
    for (int64_t s = 0, n = steps_of(c); s < n; s++) {
        const int64_t at = s * STEP, block = block_at(c, at);
        const uint8_t *codes = c->codes + at;

        if (c->bytes - at < STEP)
            codes = memcpy(last, codes, (size_t)(c->bytes - at));
        for (int h = 0; h < 2; h++) {
            const __m256i q = _mm256_loadu_si256((const void *)(codes + 32 * h));
            const __m256i zero = zeros ? _mm256_castps_si256(lanes_256(c->zeros + block, picks[h])) : q;

            for (int r = 0; r < rows; r++) {
                const __m256i start = start_256(bits, zeros, zero, a[r].sums + s * LANES + 8 * h);
                const __m256i p = products_256(bits, q, a[r].q + at * (bits == 4 ? 2 : 1), 32 * h);
                const __m256 v = _mm256_cvtepi32_ps(_mm256_add_epi32(start, p));

                lanes[r][h] = _mm256_add_ps(lanes[r][h], _mm256_mul_ps(v, lanes_256(c->factors + r * c->factors_row + block,
                                                                                     picks[h])));
            }
        }
    }
    for (int r = 0; r < rows; r++)
        out[r] = sum_256(_mm256_add_ps(lanes[r][0], lanes[r][1]));
}

AVX2 static void dot_avx2(const mq_nbits_column *c, int rows, const mq_nbits_row *a, float *out)
{
    const bool zeros = c->zeros != NULL;

    if (c->bits == 4 && rows == 1 && !zeros)
        dot_256(4, false, c, 1, a, out);
    else if (c->bits == 4 && rows == 1)
        dot_256(4, true, c, 1, a, out);
    else if (c->bits == 4)
        dot_256(4, zeros, c, ROWS, a, out);
    else if (rows == 1)
        dot_256(8, zeros, c, 1, a, out);
    else
        dot_256(8, zeros, c, ROWS, a, out);
}

/* ---- AVX512-VNNI -------------------------------------------------------------------------------------------------- */

#define VNNI MQ_TARGET("avx512f,avx512bw,avx512dq,avx512vnni")
#define VNNI_LEAF MQ_TARGET("avx512f,avx512bw,avx512dq,avx512vnni") MQ_INLINE

VNNI_LEAF __m512i picks_512(int wide)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

    return _mm512_srli_epi32(lane, wide == 4 ? 2 : wide == 8 ? 3 : 4);
}

VNNI_LEAF __m512 lanes_512(const void *four, __m512i picks)
{
    return _mm512_permutevar_ps(_mm512_broadcast_f32x4(_mm_loadu_ps(four)), picks);
}

VNNI_LEAF __m512i load_codes(const mq_nbits_column *c, int64_t at)
{
    const int64_t left = c->bytes - at;

    return left >= STEP ? _mm512_loadu_si512(c->codes + at)
                        : _mm512_maskz_loadu_epi8((__mmask64)((UINT64_C(1) << left) - 1), c->codes + at);
}

/* -zero times the sums; a shift where zero is half of the range. */
VNNI_LEAF __m512i start_512(int bits, bool zeros, __m512i zero, const int32_t *sums)
{
    const __m512i s = _mm512_loadu_si512(sums);

    return _mm512_sub_epi32(_mm512_setzero_si512(), zeros ? _mm512_mullo_epi32(zero, s)
                                                          : _mm512_slli_epi32(s, (unsigned)(bits - 1)));
}

VNNI_LEAF void dot_512(int bits, bool zeros, const mq_nbits_column *c, int rows, const mq_nbits_row *a, float *out)
{
    const __m512i nibble = _mm512_set1_epi8(15), picks = picks_512(block_lanes(c));
    __m512 lanes[ROWS];

    for (int r = 0; r < rows; r++)
        lanes[r] = _mm512_setzero_ps();
    for (int64_t s = 0, n = steps_of(c); s < n; s++) {
        const int64_t at = s * STEP, block = block_at(c, at);
        const __m512i q = load_codes(c, at);
        const __m512i low = bits == 4 ? _mm512_and_si512(q, nibble) : q;
        const __m512i high = _mm512_and_si512(_mm512_srli_epi16(q, 4), nibble);
        const __m512i zero = zeros ? _mm512_castps_si512(lanes_512(c->zeros + block, picks)) : nibble;

        for (int r = 0; r < rows; r++) {
            const int8_t *x = a[r].q + at * (bits == 4 ? 2 : 1);
            __m512i p = start_512(bits, zeros, zero, a[r].sums + s * LANES);

            p = _mm512_dpbusd_epi32(p, low, _mm512_loadu_si512(x));
            if (bits == 4)
                p = _mm512_dpbusd_epi32(p, high, _mm512_loadu_si512(x + STEP));
            lanes[r] = _mm512_add_ps(lanes[r], _mm512_mul_ps(_mm512_cvtepi32_ps(p),
                                                             lanes_512(c->factors + r * c->factors_row + block, picks)));
        }
    }
    for (int r = 0; r < rows; r++)
        out[r] = sum_256(_mm256_add_ps(_mm512_castps512_ps256(lanes[r]), _mm512_extractf32x8_ps(lanes[r], 1)));
}

VNNI static void dot_vnni(const mq_nbits_column *c, int rows, const mq_nbits_row *a, float *out)
{
    const bool zeros = c->zeros != NULL;

    if (c->bits == 4 && rows == 1 && !zeros)
        dot_512(4, false, c, 1, a, out);
    else if (c->bits == 4 && rows == 1)
        dot_512(4, true, c, 1, a, out);
    else if (c->bits == 4)
        dot_512(4, zeros, c, ROWS, a, out);
    else if (rows == 1)
        dot_512(8, zeros, c, 1, a, out);
    else
        dot_512(8, zeros, c, ROWS, a, out);
}
#endif

void mq_nbits_dot(const mq_nbits_column *c, int rows, const mq_nbits_row *a, float *out)
{
#ifdef MQ_HAS_INTRINSICS
    const mq_isa isa = mq_isa_now();

    if (isa >= MQ_ISA_AVX512_VNNI) {
        dot_vnni(c, rows, a, out);
        return;
    }
    if (isa >= MQ_ISA_AVX2) {
        dot_avx2(c, rows, a, out);
        return;
    }
#endif
    dot_plain(c, rows, a, out);
}
