/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* StringConcat, StringSplit, StringNormalizer. Strings are UTF-8 bytes; parts of strings share their bytes. Letters
 * change case as the C.UTF-8 locale says (one character for one), whatever `locale` asks for; accents stay. */
#include <locale.h>
#include <string.h>
#include <wctype.h>

#include "exec/ref/util.h"

static mq_status need_strings(mq_call *c, size_t n)
{
    const mq_status rc = mq_call_need(c, n);

    for (size_t i = 0; i < n && rc == MQ_OK; i++)
        if (c->in[i]->dtype != MQ_STRING)
            return mq_call_bad_type(c, c->in[i]->dtype);
    return rc;
}

/* ---- StringConcat ------------------------------------------------------------------------------------------------- */

static mq_status join(mq_call *c, mq_bytes a, mq_bytes b, mq_bytes *out)
{
    char *to;

    *out = a.n == 0 ? b : a;
    if (a.n == 0 || b.n == 0)
        return MQ_OK;
    if (!(to = mq_arena_alloc(c->arena, a.n + b.n)))
        return mq_oom(c->err);
    memcpy(to, a.data, a.n);
    memcpy(to + a.n, b.data, b.n);
    *out = (mq_bytes){ to, a.n + b.n };
    return MQ_OK;
}

static mq_status op_string_concat(mq_call *c)
{
    mq_bcast b;
    int64_t n;
    void *data;
    mq_bytes *out;
    mq_status rc;

    MQ_TRY(need_strings(c, 2));
    MQ_TRY(mq_call_broadcast(c, 2, c->in, &b));
    MQ_TRY(mq_call_out(c, 0, MQ_STRING, b.out_rank, b.out_dims, &data));
    if (!(out = data) || b.count == 0)
        return MQ_OK;
    n = b.dims[b.rank - 1];
    for (int64_t row = 0; row < b.count / n; row++) {
        const mq_bytes *x = (const mq_bytes *)c->in[0]->data + mq_bcast_offset(&b, 0, row);
        const mq_bytes *y = (const mq_bytes *)c->in[1]->data + mq_bcast_offset(&b, 1, row);

        for (int64_t i = 0; i < n; i++)
            MQ_TRY(join(c, x[i * b.strides[0][b.rank - 1]], y[i * b.strides[1][b.rank - 1]], out++));
    }
done:
    return rc;
}

/* ---- StringSplit -------------------------------------------------------------------------------------------------- */

typedef struct splitter {
    const char *at; /* NULL: at the end */
    size_t left;
    int64_t splits; /* how many more */
    const mq_bytes *delimiter; /* NULL: white space */
} splitter;

static bool is_space(char ch)
{
    return ch == ' ' || (ch >= '\t' && ch <= '\r');
}

/* Python's str.split without a separator. */
static bool next_word(splitter *s, mq_bytes *part)
{
    size_t n = 0;

    while (s->left > 0 && is_space(*s->at)) {
        s->at++;
        s->left--;
    }
    if (s->left == 0)
        return false;
    if (s->splits-- == 0)
        n = s->left;
    while (n < s->left && !is_space(s->at[n]))
        n++;
    *part = (mq_bytes){ s->at, n };
    s->at += n;
    s->left -= n;
    return true;
}

static bool next_part(splitter *s, mq_bytes *part)
{
    const char *found = NULL;

    if (!s->delimiter)
        return next_word(s, part);
    if (!s->at)
        return false;
    if (s->splits-- != 0)
        found = memmem(s->at, s->left, s->delimiter->data, s->delimiter->n);
    *part = (mq_bytes){ s->at, found ? (size_t)(found - s->at) : s->left };
    s->left -= part->n + (found ? s->delimiter->n : 0);
    s->at = found ? found + s->delimiter->n : NULL;
    return true;
}

static splitter split_start(const mq_call *c, const mq_bytes *text)
{
    const mq_attr *delimiter = mq_node_attr(c->node, "delimiter");
    const bool given = delimiter && delimiter->type == MQ_ATTR_STRING && delimiter->s.n > 0;
    const int64_t most = mq_node_attr_int(c->node, "maxsplit", -1);

    return (splitter){ text->n > 0 ? text->data : "", text->n, most < 0 ? -1 : most, given ? &delimiter->s : NULL };
}

static mq_status op_string_split(mq_call *c)
{
    const mq_array *a;
    const mq_bytes *in;
    int64_t dims[MQ_MAX_RANK + 1], most = 0, *counts;
    void *parts, *numbers;
    mq_bytes part;
    mq_status rc;

    MQ_TRY(need_strings(c, 1));
    a = c->in[0];
    in = a->data;
    if (!(counts = mq_call_scratch(c, (a->count + 1) * sizeof(*counts))))
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i < a->count; i++) {
        counts[i] = 0;
        for (splitter s = split_start(c, &in[i]); next_part(&s, &part);)
            counts[i]++;
        most = counts[i] > most ? counts[i] : most;
    }
    for (int i = 0; i < a->rank; i++)
        dims[i] = a->dims[i];
    dims[a->rank] = most;
    MQ_TRY(mq_call_out(c, 0, MQ_STRING, a->rank + 1, dims, &parts));
    MQ_TRY(mq_call_out(c, 1, MQ_INT64, a->rank, a->dims, &numbers));
    if (numbers && a->count > 0)
        memcpy(numbers, counts, a->count * sizeof(*counts));
    for (size_t i = 0; i < a->count && parts; i++) {
        mq_bytes *to = (mq_bytes *)parts + i * (size_t)most;

        for (splitter s = split_start(c, &in[i]); next_part(&s, to);)
            to++;
    }
done:
    return rc;
}

/* ---- StringNormalizer --------------------------------------------------------------------------------------------- */

typedef enum letters { LETTERS_KEEP, LETTERS_LOWER, LETTERS_UPPER } letters;

/* Decodes one character of UTF-8; 0: malformed. Returns the bytes it takes. */
static size_t decode(const unsigned char *s, size_t left, uint32_t *out)
{
    const size_t n = s[0] < 0x80                    ? 1
                     : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                     : (s[0] & 0xf0) == 0xe0       ? 3
                     : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                   : 0;

    if (n == 0 || n > left)
        return 0;
    *out = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        *out = *out << 6 | (s[i] & 0x3f);
    }
    return n;
}

static size_t encode(uint32_t ch, unsigned char *to)
{
    const size_t n = ch < 0x80 ? 1 : ch < 0x800 ? 2 : ch < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

    for (size_t i = n; i-- > 1; ch >>= 6)
        to[i] = (unsigned char)(0x80 | (ch & 0x3f));
    to[0] = (unsigned char)(lead[n] | ch);
    return n;
}

/* `in` with other letters, in the arena. Bytes that are no UTF-8 stay. */
static mq_status change_letters(mq_call *c, mq_bytes in, letters how, locale_t locale, mq_bytes *out)
{
    unsigned char *to;
    size_t n = 0;

    *out = in;
    if (how == LETTERS_KEEP || in.n == 0)
        return MQ_OK;
    if (!(to = mq_arena_calloc(c->arena, in.n, 4))) /* a character of one byte may become one of up to four */
        return mq_oom(c->err);
    for (size_t i = 0; i < in.n;) {
        const unsigned char *s = (const unsigned char *)in.data + i;
        uint32_t ch = 0;
        const size_t used = decode(s, in.n - i, &ch);

        if (used > 1 && locale == (locale_t)0)
            return mq_call_unsupported(c, "letters beyond ASCII need the locale C.UTF-8, which this system does not have");
        if (used == 0)
            to[n++] = *s;
        else if (used == 1)
            to[n++] = (unsigned char)(how == LETTERS_LOWER ? (ch - 'A' < 26 ? ch + 32 : ch) : ch - 'a' < 26 ? ch - 32 : ch);
        else if (how == LETTERS_LOWER)
            n += encode((uint32_t)towlower_l((wint_t)ch, locale), to + n);
        else
            n += encode((uint32_t)towupper_l((wint_t)ch, locale), to + n);
        i += used > 0 ? used : 1;
    }
    *out = (mq_bytes){ to, n };
    return MQ_OK;
}

static bool same(mq_bytes a, mq_bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.data, b.data, a.n) == 0);
}

/* Drops stop words and changes letters: *n strings are left in kept. */
static mq_status normalize(mq_call *c, const mq_array *a, letters how, locale_t locale, mq_bytes *kept, size_t *n)
{
    const bool exact = mq_node_attr_int(c->node, "is_case_sensitive", 0) != 0;
    const letters compared = exact ? LETTERS_KEEP : how == LETTERS_KEEP ? LETTERS_LOWER : how;
    const mq_attr *attr = mq_node_attr(c->node, "stopwords");
    const size_t n_stops = attr && attr->type == MQ_ATTR_STRINGS ? attr->n : 0;
    mq_bytes *stops = mq_call_scratch(c, (n_stops + 1) * sizeof(*stops));
    mq_status rc = MQ_OK;

    if (!stops)
        return MQ_ERR_NOMEM;
    for (size_t k = 0; k < n_stops; k++)
        MQ_TRY(change_letters(c, attr->strings[k], compared, locale, &stops[k]));
    for (size_t i = 0; i < a->count; i++) {
        const mq_bytes text = ((const mq_bytes *)a->data)[i];
        mq_bytes form = text;
        bool stopped = false;

        if (n_stops > 0)
            MQ_TRY(change_letters(c, text, compared, locale, &form));
        for (size_t k = 0; k < n_stops && !stopped; k++)
            stopped = same(form, stops[k]);
        if (!stopped)
            MQ_TRY(change_letters(c, text, how, locale, &kept[(*n)++]));
    }
done:
    return rc;
}

static mq_status op_string_normalizer(mq_call *c)
{
    const mq_array *a;
    locale_t locale = (locale_t)0;
    letters how = LETTERS_KEEP;
    int64_t dims[2] = { 1, 1 };
    mq_bytes *kept;
    size_t n = 0;
    void *out;
    mq_status rc;

    MQ_TRY(need_strings(c, 1));
    a = c->in[0];
    if (a->rank < 1 || a->rank > 2 || (a->rank == 2 && a->dims[0] != 1))
        return mq_call_fail(c, "the input must be [C] or [1, C]");
    if (mq_node_attr_is(c->node, "case_change_action", "LOWER"))
        how = LETTERS_LOWER;
    else if (mq_node_attr_is(c->node, "case_change_action", "UPPER"))
        how = LETTERS_UPPER;
    else if (mq_node_attr(c->node, "case_change_action") && !mq_node_attr_is(c->node, "case_change_action", "NONE"))
        return mq_call_fail(c, "case_change_action is none of 'NONE', 'LOWER', 'UPPER'");
    if (!(kept = mq_call_scratch(c, (a->count + 1) * sizeof(*kept))))
        return MQ_ERR_NOMEM;
    kept[0] = (mq_bytes){ 0 };
    locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    MQ_TRY(normalize(c, a, how, locale, kept, &n));
    n = n > 0 ? n : 1; /* nothing left: one empty string */
    dims[a->rank - 1] = (int64_t)n;
    MQ_TRY(mq_call_out(c, 0, MQ_STRING, a->rank, dims, &out));
    if (out)
        memcpy(out, kept, n * sizeof(*kept));
done:
    if (locale != (locale_t)0)
        freelocale(locale);
    return rc;
}

const mq_kernel mq_kernels_text[] = {
    { "", "StringConcat", op_string_concat, 0 },
    { "", "StringNormalizer", op_string_normalizer, 0 },
    { "", "StringSplit", op_string_split, 0 },
    { 0 },
};
