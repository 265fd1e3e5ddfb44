/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* RegexFullMatch. The pattern, in RE2's syntax, is written anew as a POSIX extended one and given to the C library in
 * the C locale: characters beyond ASCII become sequences of bytes. What POSIX cannot say (flags, Unicode classes) is
 * refused by name. Whether all of a text matches does not depend on greediness, so lazy repetition is repetition. */
#include <locale.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "exec/ref/util.h"

#define MAX_DEPTH 50    /* nested groups: the C library recurses */
#define MAX_COST 20000  /* characters after repetition is written out */
#define MAX_REPEAT 1000 /* as in RE2 */

/* One character beyond ASCII, as bytes. */
#define WIDE "[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf][\x80-\xbf][\x80-\xbf]"

typedef struct translation {
    mq_call *c;
    const unsigned char *s; /* the pattern */
    size_t n, at;
    char *out;
    size_t n_out, room;
    int64_t cost[MAX_DEPTH + 1]; /* of what stands so far at each level of groups */
    int depth;
    int64_t last; /* cost of what a repetition would repeat; 0: nothing to repeat */
} translation;

/* Of characters: those of ASCII, and all others or none. */
typedef struct char_set {
    bool has[128];
    bool wide;
} char_set;

static mq_status refuse(const translation *t, const char *what)
{
    return mq_call_unsupported(t->c, "the pattern has %s at character %zu, which is not supported", what, t->at);
}

static mq_status malformed(const translation *t, const char *what)
{
    return mq_call_fail(t->c, "the pattern is malformed at character %zu: %s", t->at, what);
}

static mq_status put(translation *t, const char *text, size_t n)
{
    if (n > t->room - t->n_out)
        return mq_call_unsupported(t->c, "the pattern is too long");
    memcpy(t->out + t->n_out, text, n);
    t->n_out += n;
    return MQ_OK;
}

static mq_status put_text(translation *t, const char *text)
{
    return put(t, text, strlen(text));
}

/* What comes next may be repeated; it stands for `cost` characters. */
static mq_status count(translation *t, int64_t cost)
{
    t->last = cost;
    t->cost[t->depth] += cost;
    return t->cost[t->depth] > MAX_COST ? mq_call_unsupported(t->c, "the pattern is too large") : MQ_OK;
}

/* ---- sets of characters ------------------------------------------------------------------------------------------- */

static void add_range(char_set *set, unsigned from, unsigned to)
{
    for (unsigned ch = from; ch <= to; ch++)
        set->has[ch] = true;
}

static void negate(char_set *set)
{
    for (int ch = 0; ch < 128; ch++)
        set->has[ch] = !set->has[ch];
    set->wide = !set->wide;
}

/* d, w, s and their capitals, the negated ones. False: none of these; the set is empty before. */
static bool perl_class(unsigned char name, char_set *set)
{
    const unsigned char lower = name | 0x20;

    if (lower != 'd' && lower != 'w' && lower != 's')
        return false;
    if (lower == 's') {
        for (const char *k = "\t\n\f\r "; *k; k++)
            set->has[(unsigned char)*k] = true;
    } else {
        add_range(set, '0', '9');
    }
    if (lower == 'w') {
        add_range(set, 'a', 'z');
        add_range(set, 'A', 'Z');
        set->has['_'] = true;
    }
    if (name != lower)
        negate(set);
    return true;
}

/* The members of ASCII that equal `value`, ordered as a bracket expression wants them: ']' first, '[' not in front of
 * '.', ':' or '=', '^' not first where that can be, '-' last (`bytes` in front of it). Returns how many characters. */
static size_t list_chars(const char_set *set, bool value, const char *bytes, char *text)
{
    size_t n = 0;

    if (set->has[']'] == value)
        text[n++] = ']';
    for (unsigned ch = 1; ch < 128; ch++)
        if (!strchr("]-[^", (int)ch) && set->has[ch] == value)
            text[n++] = (char)ch;
    if (set->has['['] == value)
        text[n++] = '[';
    if (set->has['^'] == value)
        text[n++] = '^';
    for (; *bytes; bytes++)
        text[n++] = *bytes;
    if (set->has['-'] == value)
        text[n++] = '-';
    return n;
}

/* A set with NUL, which no pattern can hold, is written as what it excludes. */
static mq_status put_set(translation *t, const char_set *set)
{
    const bool exclude = set->has[0];
    char text[160];
    size_t n = list_chars(set, !exclude, exclude ? "\x80-\xff" : "", text);
    mq_status rc;

    if (n == 0)
        return refuse(t, "an empty set of characters");
    if (!exclude && n == 2 && memcmp(text, "^-", 2) == 0)
        memcpy(text, "-^", 2);
    MQ_TRY(put_text(t, "("));
    if (!exclude && n == 1 && text[0] == '^') {
        MQ_TRY(put_text(t, "\\^"));
    } else {
        MQ_TRY(put_text(t, exclude ? "[^" : "["));
        MQ_TRY(put(t, text, n));
        MQ_TRY(put_text(t, "]"));
    }
    MQ_TRY(put_text(t, set->wide ? "|" WIDE ")" : ")"));
    rc = count(t, set->wide ? 10 : 1);
done:
    return rc;
}

/* [:alpha:] and its like behind '['; false: it is none. */
static bool posix_class(translation *t, char_set *set)
{
    static const struct { const char *name, *ranges; } classes[] = {
        { "[:alnum:]", "09AZaz" }, { "[:alpha:]", "AZaz" }, { "[:digit:]", "09" }, { "[:lower:]", "az" },
        { "[:upper:]", "AZ" }, { "[:word:]", "09AZaz__" }, { "[:xdigit:]", "09AFaf" }, { "[:space:]", "\t\r  " },
        { "[:blank:]", "\t\t  " }, { "[:punct:]", "!/:@[`{~" }, { "[:print:]", " ~" }, { "[:graph:]", "!~" },
        { "[:cntrl:]", "\x01\x1f\x7f\x7f" }, { "[:ascii:]", "\x01\x7f" },
    };

    for (size_t i = 0; i < MQ_ARRAY_LEN(classes); i++) {
        const size_t n = strlen(classes[i].name);

        if (t->n - t->at >= n && memcmp(t->s + t->at, classes[i].name, n) == 0) {
            for (const char *r = classes[i].ranges; *r; r += 2)
                add_range(set, (unsigned char)r[0], (unsigned char)r[1]);
            t->at += n;
            return true;
        }
    }
    return false;
}

/* The character behind a backslash at t->at, where it stands for one of ASCII; -1: it does not. */
static int escaped(const unsigned char *s, size_t left, size_t *used)
{
    static const char names[] = "tnrfva", chars[] = "\t\n\r\f\v\a";
    char digits[3] = { 0 };
    const char *k;

    *used = 1;
    if (left >= 3 && s[0] == 'x') {
        char *end;
        long v;

        memcpy(digits, s + 1, 2);
        v = strtol(digits, &end, 16);
        *used = 3;
        return *end == 0 && v > 0 && v < 128 && digits[0] != '+' && digits[0] != '-' && digits[0] != ' ' ? (int)v : -1;
    }
    if (left == 0 || s[0] == 0 || s[0] >= 128)
        return -1;
    if ((k = strchr(names, s[0])))
        return chars[k - names];
    return (s[0] | 0x20) >= 'a' && (s[0] | 0x20) <= 'z' ? -1 : s[0] >= '0' && s[0] <= '9' ? -1 : s[0];
}

/* One end of a range in brackets: a character of ASCII. */
static mq_status set_char(translation *t, int *out)
{
    size_t used = 1;

    *out = t->at < t->n ? t->s[t->at] : -1;
    if (*out == '\\') {
        t->at++;
        *out = escaped(t->s + t->at, t->n - t->at, &used);
    }
    if (*out <= 0 || *out > 127)
        return refuse(t, "a character in brackets that is not of ASCII");
    t->at += used;
    return MQ_OK;
}

/* One element of a set: a class, a character, a range. */
static mq_status set_element(translation *t, char_set *set)
{
    char_set other = { { 0 }, false };
    int from, to;
    mq_status rc;

    if (posix_class(t, set))
        return MQ_OK;
    if (t->n - t->at >= 2 && t->s[t->at] == '[' && t->s[t->at + 1] == ':')
        return refuse(t, "a named class");
    if (t->n - t->at >= 2 && t->s[t->at] == '\\' && perl_class(t->s[t->at + 1], &other)) {
        t->at += 2;
        for (unsigned ch = 0; ch < 128; ch++)
            set->has[ch] |= other.has[ch];
        set->wide |= other.wide;
        return MQ_OK;
    }
    if ((rc = set_char(t, &from)) != MQ_OK)
        return rc;
    to = from;
    if (t->n - t->at >= 2 && t->s[t->at] == '-' && t->s[t->at + 1] != ']') {
        t->at++;
        if ((rc = set_char(t, &to)) != MQ_OK)
            return rc;
    }
    if (to < from)
        return malformed(t, "a range that ends before it begins");
    add_range(set, (unsigned)from, (unsigned)to);
    return MQ_OK;
}

static mq_status brackets(translation *t)
{
    char_set set = { { 0 }, false };
    bool negated = false;
    mq_status rc;

    t->at++;
    if (t->at < t->n && t->s[t->at] == '^') {
        negated = true;
        t->at++;
    }
    for (bool first = true; t->at < t->n && (first || t->s[t->at] != ']'); first = false)
        MQ_TRY(set_element(t, &set));
    if (t->at >= t->n)
        return malformed(t, "']' is missing");
    t->at++;
    if (negated)
        negate(&set);
    rc = put_set(t, &set);
done:
    return rc;
}

/* ---- the rest ----------------------------------------------------------------------------------------------------- */

static mq_status put_char(translation *t, int ch)
{
    const char text[] = { '\\', (char)ch };
    const bool special = strchr(".[\\()*+?{|^$", ch) != NULL;
    const mq_status rc = put(t, special ? text : text + 1, special ? 2 : 1);

    return rc == MQ_OK ? count(t, 1) : rc;
}

static mq_status escape(translation *t)
{
    char_set set = { { 0 }, false };
    size_t used = 1;
    int ch;

    t->at++;
    if (t->at >= t->n)
        return malformed(t, "a backslash at the end");
    if (perl_class(t->s[t->at], &set)) {
        t->at++;
        return put_set(t, &set);
    }
    if (t->s[t->at] == 'b') { /* a word's edge; the C library has it */
        t->at++;
        t->last = 0;
        return put_text(t, "\\b");
    }
    if ((ch = escaped(t->s + t->at, t->n - t->at, &used)) < 0)
        return refuse(t, "an escape");
    t->at += used;
    return put_char(t, ch);
}

static mq_status open_group(translation *t)
{
    static const char *const names[] = { "?P<", "?<" };

    t->at++;
    if (t->depth == MAX_DEPTH)
        return refuse(t, "too many nested groups");
    if (t->n - t->at >= 2 && memcmp(t->s + t->at, "?:", 2) == 0) {
        t->at += 2;
    } else if (t->at < t->n && t->s[t->at] == '?') {
        const unsigned char *end = memchr(t->s + t->at, '>', t->n - t->at);
        size_t skip = 0;

        for (size_t i = 0; i < MQ_ARRAY_LEN(names) && skip == 0; i++)
            if (t->n - t->at > strlen(names[i]) && memcmp(t->s + t->at, names[i], strlen(names[i])) == 0)
                skip = strlen(names[i]);
        if (skip == 0 || !end || t->s[t->at + skip] == '=' || t->s[t->at + skip] == '!')
            return refuse(t, "a flag, or a look around,");
        t->at = (size_t)(end - t->s) + 1;
    }
    t->cost[++t->depth] = 0;
    t->last = 0;
    return put_text(t, "(");
}

static mq_status close_group(translation *t)
{
    const int64_t inner = t->cost[t->depth] + 1;
    mq_status rc;

    if (t->depth == 0)
        return malformed(t, "')' without '('");
    t->at++;
    t->depth--;
    rc = put_text(t, ")");
    return rc == MQ_OK ? count(t, inner) : rc;
}

/* {n}, {n,} or {n,m} at t->at; false: it is none, and the brace is a character. */
static bool parse_counts(const translation *t, int64_t *low, int64_t *high, size_t *used)
{
    size_t i = t->at + 1;
    int64_t v[2] = { 0, -1 };

    for (int k = 0; k < 2; k++) {
        const size_t start = i;

        for (; i < t->n && t->s[i] >= '0' && t->s[i] <= '9'; i++)
            v[k] = (v[k] < 0 ? 0 : v[k] > MAX_REPEAT ? MAX_REPEAT + 1 : v[k]) * 10 + (t->s[i] - '0');
        if (k == 0 && i == start)
            return false;
        if (k == 0 && i < t->n && t->s[i] == '}')
            v[1] = v[0];
        if (i >= t->n || t->s[i] != (k == 0 ? ',' : '}')) {
            if (i >= t->n || t->s[i] != '}')
                return false;
            break;
        }
        i += k == 0;
    }
    *low = v[0];
    *high = v[1];
    *used = i + 1 - t->at;
    return true;
}

static mq_status repeat(translation *t, size_t used, int64_t times)
{
    mq_status rc;

    if (t->last == 0)
        return malformed(t, "nothing to repeat");
    MQ_TRY(put(t, (const char *)t->s + t->at, used));
    t->at += used;
    MQ_TRY(count(t, t->last * (times > 1 ? times - 1 : 0)));
    t->last = 0; /* RE2 has no repetition of a repetition */
    if (t->at < t->n && t->s[t->at] == '?') /* lazy */
        t->at++;
done:
    return rc;
}

static mq_status counted(translation *t)
{
    int64_t low, high;
    size_t used;

    if (!parse_counts(t, &low, &high, &used)) {
        t->at++;
        return put_char(t, '{');
    }
    if (low > MAX_REPEAT || high > MAX_REPEAT || (high >= 0 && high < low))
        return malformed(t, "a repetition out of range");
    return repeat(t, used, high < 0 ? low + 1 : high);
}

/* A character beyond ASCII: a group of its bytes. */
static mq_status wide_char(translation *t)
{
    size_t n = 1;
    mq_status rc;

    while (t->at + n < t->n && (t->s[t->at + n] & 0xc0) == 0x80)
        n++;
    MQ_TRY(put_text(t, "("));
    MQ_TRY(put(t, (const char *)t->s + t->at, n));
    MQ_TRY(put_text(t, ")"));
    t->at += n;
    rc = count(t, (int64_t)n);
done:
    return rc;
}

static mq_status translate_one(translation *t)
{
    const unsigned char ch = t->s[t->at];
    mq_status rc;

    switch (ch) {
    case '\\': return escape(t);
    case '[': return brackets(t);
    case '(': return open_group(t);
    case ')': return close_group(t);
    case '{': return counted(t);
    case '*':
    case '+':
    case '?': return repeat(t, 1, 1);
    case '.':
        t->at++;
        rc = put_text(t, "([^\n\x80-\xff]|" WIDE ")");
        return rc == MQ_OK ? count(t, 10) : rc;
    case '|':
    case '^':
    case '$':
        t->at++;
        t->last = 0;
        return put(t, (const char *)&ch, 1);
    case 0: return refuse(t, "a zero byte");
    default:
        if (ch >= 128)
            return wide_char(t);
        t->at++;
        return put_char(t, ch);
    }
}

/* The pattern as POSIX has it, for all of a text, in c's scratch memory. */
static mq_status translate(mq_call *c, mq_bytes pattern, char **out)
{
    translation t = { .c = c, .s = pattern.data, .n = pattern.n };
    mq_status rc;

    if (pattern.n > MAX_COST)
        return mq_call_unsupported(c, "the pattern has %zu bytes; at most %d are supported", pattern.n, MAX_COST);
    t.room = pattern.n * 200 + 16; /* a class takes most */
    if (!(t.out = mq_call_scratch(c, t.room + 8)))
        return MQ_ERR_NOMEM;
    MQ_TRY(put_text(&t, "^("));
    while (t.at < t.n)
        MQ_TRY(translate_one(&t));
    if (t.depth > 0)
        return malformed(&t, "')' is missing");
    MQ_TRY(put(&t, ")$", 3));
    *out = t.out;
done:
    return rc;
}

static mq_status match_all(mq_call *c, const char *pattern, const mq_array *a, unsigned char *out)
{
    const mq_bytes *texts = a->data;
    size_t longest = 0;
    regex_t regex;
    char *copy, why[128];
    int bad;

    for (size_t i = 0; i < a->count; i++)
        longest = texts[i].n > longest ? texts[i].n : longest;
    if (longest > INT32_MAX / 4)
        return mq_call_unsupported(c, "a string has %zu bytes", longest);
    if (!(copy = mq_call_scratch(c, longest + 1)))
        return MQ_ERR_NOMEM;
    if ((bad = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))) {
        regerror(bad, &regex, why, sizeof why);
        return mq_call_fail(c, "the pattern is malformed: %s", why);
    }
    for (size_t i = 0; i < a->count; i++) {
        regmatch_t span = { .rm_so = 0, .rm_eo = (regoff_t)texts[i].n }; /* zero bytes may be inside */

        if (texts[i].n > 0)
            memcpy(copy, texts[i].data, texts[i].n);
        copy[texts[i].n] = 0;
        out[i] = regexec(&regex, copy, 1, &span, REG_STARTEND) == 0;
    }
    regfree(&regex);
    return MQ_OK;
}

static mq_status op_regex_full_match(mq_call *c)
{
    const mq_attr *attr = mq_node_attr(c->node, "pattern");
    locale_t plain = (locale_t)0, before = (locale_t)0;
    char *pattern = NULL;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    if (c->in[0]->dtype != MQ_STRING)
        return mq_call_bad_type(c, c->in[0]->dtype);
    if (!attr || attr->type != MQ_ATTR_STRING)
        return mq_call_fail(c, "there is no pattern");
    MQ_TRY(translate(c, attr->s, &pattern));
    MQ_TRY(mq_call_out(c, 0, MQ_BOOL, c->in[0]->rank, c->in[0]->dims, &out));
    if (!out)
        return MQ_OK;
    if (!(plain = newlocale(LC_ALL_MASK, "C", (locale_t)0)))
        return mq_oom(c->err);
    before = uselocale(plain);
    rc = match_all(c, pattern, c->in[0], out);
    uselocale(before);
    freelocale(plain);
done:
    return rc;
}

const mq_kernel mq_kernels_regex[] = {
    { "", "RegexFullMatch", op_regex_full_match, 0 },
    { 0 },
};
