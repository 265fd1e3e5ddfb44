/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Members of a report's objects: any text, any number, no failure but memory, and that is remembered in the report. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/internal.h"

/* Length of the well-formed UTF-8 sequence at s (n bytes left), 0 when it is ill-formed: overlong forms, surrogates and
 * values over U+10FFFF are (Unicode 15, table 3-7). */
static size_t utf8_length(const unsigned char *s, size_t n)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t len;

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (n < len)
        return 0;
    switch (s[0]) {
    case 0xe0: low = 0xa0; break;
    case 0xed: high = 0x9f; break;
    case 0xf0: low = 0x90; break;
    case 0xf4: high = 0x8f; break;
    default: break;
    }
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

char *mq_utf8_clean(const char *text)
{
    static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
    size_t n = strlen(text), k = 0, len;
    char *out = n <= SIZE_MAX / 4 ? malloc(n * 3 + 1) : NULL;

    if (!out)
        return NULL;
    for (size_t i = 0; i < n; i += len ? len : 1) {
        len = utf8_length((const unsigned char *)text + i, n - i);
        memcpy(out + k, len ? text + i : replacement, len ? len : 3);
        k += len ? len : 3;
    }
    out[k] = '\0';
    return out;
}

json_t *mq_json_text(const char *text)
{
    json_t *s = json_string(text);
    char *clean;

    if (s || !(clean = mq_utf8_clean(text)))
        return s;
    s = json_string(clean);
    free(clean);
    return s;
}

static json_t *json_number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* value is a new reference or NULL (out of memory). */
static void put(mq_report *r, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        r->failed = true;
}

static json_t *push(mq_report *r, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) == 0)
        return value;
    r->failed = true;
    return NULL;
}

json_t *mq_report_append(mq_report *r, json_t *array)
{
    return r && array ? push(r, array, json_object()) : NULL;
}

json_t *mq_report_object(mq_report *r, json_t *object, const char *key)
{
    if (!r || !object)
        return NULL;
    put(r, object, key, json_object());
    return json_object_get(object, key);
}

json_t *mq_report_array(mq_report *r, json_t *object, const char *key)
{
    if (!r || !object)
        return NULL;
    put(r, object, key, json_array());
    return json_object_get(object, key);
}

void mq_report_put_text(mq_report *r, json_t *object, const char *key, const char *text)
{
    if (r && object)
        put(r, object, key, mq_json_text(text ? text : ""));
}

void mq_report_put_int(mq_report *r, json_t *object, const char *key, int64_t value)
{
    if (r && object)
        put(r, object, key, json_integer(value));
}

void mq_report_put_real(mq_report *r, json_t *object, const char *key, double value)
{
    if (r && object)
        put(r, object, key, json_number_or_null(value));
}

void mq_report_put_bool(mq_report *r, json_t *object, const char *key, bool value)
{
    if (r && object)
        put(r, object, key, json_boolean(value));
}

void mq_report_put_null(mq_report *r, json_t *object, const char *key)
{
    if (r && object)
        put(r, object, key, json_null());
}

void mq_report_put_dims(mq_report *r, json_t *object, const char *key, const int64_t *dims, int n_dims)
{
    json_t *list = mq_report_array(r, object, key);

    for (int i = 0; i < n_dims; i++)
        mq_report_push_int(r, list, dims[i]);
}

void mq_report_push_text(mq_report *r, json_t *array, const char *text)
{
    if (r && array)
        push(r, array, mq_json_text(text));
}

void mq_report_push_int(mq_report *r, json_t *array, int64_t value)
{
    if (r && array)
        push(r, array, json_integer(value));
}

void mq_report_push_real(mq_report *r, json_t *array, double value)
{
    if (r && array)
        push(r, array, json_number_or_null(value));
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

const char *mq_json_get_text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

int64_t mq_json_get_int(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

bool mq_json_get_bool(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

bool mq_json_get_real(const json_t *object, const char *key, double *value)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_number(v))
        return false;
    *value = json_number_value(v);
    return true;
}

void mq_str_add_shape(mq_str *out, const json_t *dims)
{
    size_t n = json_array_size(dims);

    if (n == 0)
        mq_str_add(out, "scalar");
    for (size_t i = 0; i < n; i++)
        mq_str_addf(out, "%s%lld", i ? "x" : "", (long long)json_integer_value(json_array_get(dims, i)));
}

void mq_str_add_scalar(mq_str *out, const json_t *v, void (*text)(mq_str *out, const char *s))
{
    if (json_is_string(v))
        text(out, json_string_value(v));
    else if (json_is_integer(v))
        mq_str_addf(out, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        mq_str_addf(out, "%.6g", json_real_value(v));
    else
        mq_str_add(out, json_is_true(v) ? "yes" : json_is_false(v) ? "no" : "-");
}

void mq_str_add_sqnr(mq_str *out, const json_t *entry)
{
    double v;

    if (mq_json_get_real(entry, "sqnr_db", &v))
        mq_str_addf(out, "%.1f dB", v);
    else
        mq_str_add(out, json_object_get(entry, "sqnr_db") ? "exact" : "-");
}

void mq_str_add_agreement(mq_str *out, const json_t *entry)
{
    double v;

    if (mq_json_get_real(entry, "sqnr_db", &v))
        mq_str_addf(out, "%.2f dB", v);
    else
        mq_str_add(out, mq_json_get_int(entry, "differ") ? "not finite" : "equal");
}

void mq_str_add_ceiling(mq_str *out, const json_t *entry)
{
    double v;

    if (mq_json_get_real(entry, "ceiling_db", &v))
        mq_str_addf(out, " (ceiling %.2f dB)", v);
    else if (json_object_get(entry, "ceiling_db"))
        mq_str_add(out, " (ceiling: equal)");
}

void mq_str_add_speed(mq_str *out, const json_t *speed)
{
    double before, after, speedup;

    if (mq_json_get_real(speed, "before_ms", &before) && mq_json_get_real(speed, "after_ms", &after) &&
        mq_json_get_real(speed, "speedup", &speedup))
        mq_str_addf(out, "%.4g ms -> %.4g ms a run (%.2f times as fast), on one thread of this engine", before, after,
                    speedup);
}

static void add_number(mq_str *out, int64_t n, const char *what, const char *done)
{
    const char *many = strcmp(what, "bias") == 0 ? "es" : "s";

    mq_str_addf(out, "%lld %s%s %s", (long long)n, what, n == 1 ? "" : many, done);
}

static void add_smoothing(mq_str *out, const json_t *s)
{
    const int64_t n = mq_json_get_int(s, "activations");
    double least, most, gain;

    if (!s)
        return;
    add_number(out, n, "activation", "smoothed");
    if (mq_json_get_real(s, "least_alpha", &least) && mq_json_get_real(s, "most_alpha", &most)) {
        mq_str_addf(out, least < most ? " (alpha %g to %g" : " (alpha %g", least, most);
        if (mq_json_get_real(s, "expected_gain_db", &gain))
            mq_str_addf(out, ", expected gain %.1f dB", gain);
        mq_str_add(out, ")");
    }
}

void mq_str_add_refinements(mq_str *out, const json_t *r)
{
    const json_t *equal = json_object_get(r, "equalization"), *bias = json_object_get(r, "bias_correction");
    const json_t *rounding = json_object_get(r, "rounding");
    const char *comma = json_object_get(r, "smoothing") ? ", " : "";
    double shift, size, gain;

    add_smoothing(out, json_object_get(r, "smoothing"));
    if (rounding) {
        mq_str_add(out, comma);
        add_number(out, mq_json_get_int(rounding, "weights"), "weight", "rounded by data");
        if (mq_json_get_real(rounding, "gain_db", &gain))
            mq_str_addf(out, " (layers %.1f dB nearer)", gain);
        comma = ", ";
    }
    if (equal) {
        mq_str_add(out, comma);
        add_number(out, mq_json_get_int(equal, "tensors"), "tensor", "equalized");
        comma = ", ";
    }
    if (!bias)
        return;
    mq_str_add(out, comma);
    add_number(out, mq_json_get_int(bias, "biases"), "bias", "corrected");
    if (mq_json_get_real(bias, "rms_shift", &shift) && mq_json_get_real(bias, "rms_bias", &size) && size > 0)
        mq_str_addf(out, " (by %.2g%% of their size)", 100 * shift / size);
}

void mq_str_add_change(mq_str *out, int64_t before, int64_t after)
{
    if (before > 0)
        mq_str_addf(out, "%+.1f%%", 100.0 * ((double)after / (double)before - 1));
}

/* A group for the code of w, or NULL. */
static json_t *new_group(const json_t *w)
{
    json_t *g = json_object();
    int bad = 0;

    bad |= json_object_set(g, "code", json_object_get(w, "code"));
    bad |= json_object_set_new(g, "count", json_integer(0));
    bad |= json_object_set_new(g, "places", json_integer(0));
    bad |= json_object_set(g, "place", json_object_get(w, "place"));
    bad |= json_object_set(g, "text", json_object_get(w, "text"));
    if (bad) {
        json_decref(g);
        return NULL;
    }
    return g;
}

json_t *mq_report_by_code(const json_t *warnings)
{
    json_t *groups = json_array(), *index = json_object();
    bool ok = groups && index;

    for (size_t i = 0; i < json_array_size(warnings) && ok; i++) {
        const json_t *w = json_array_get(warnings, i);
        json_t *g = json_object_get(index, mq_json_get_text(w, "code"));
        if (!g) {
            ok = (g = new_group(w)) && json_object_set(index, mq_json_get_text(w, "code"), g) == 0;
            ok = json_array_append_new(groups, g) == 0 && ok;
        }
        if (ok) {
            json_integer_set(json_object_get(g, "count"), mq_json_get_int(g, "count") + mq_json_get_int(w, "count"));
            json_integer_set(json_object_get(g, "places"), mq_json_get_int(g, "places") + 1);
        }
    }
    json_decref(index);
    if (!ok) {
        json_decref(groups);
        return NULL;
    }
    return groups;
}

static void add_channels(mq_str *out, const json_t *prune)
{
    const int64_t all = mq_json_get_int(prune, "channels"), left = mq_json_get_int(prune, "channels_left");

    mq_str_add_count(out, (uint64_t)(all - left));
    mq_str_add(out, " of ");
    mq_str_add_count(out, (uint64_t)all);
    mq_str_add(out, " channels are gone");
}

static void add_layers(mq_str *out, const json_t *layers)
{
    size_t gone = 0;

    for (size_t i = 0; i < json_array_size(layers); i++)
        gone += mq_json_get_bool(json_array_get(layers, i), "gone");
    mq_str_addf(out, "%zu of %zu layers are gone", gone, json_array_size(layers));
}

void mq_str_add_search(mq_str *out, const json_t *search)
{
    const size_t n = json_array_size(json_object_get(search, "kept"));
    const size_t tried = json_array_size(json_object_get(search, "tried"));

    mq_str_addf(out, "%zu model%s of %lld layers tried, ", tried, tried == 1 ? "" : "s",
                (long long)mq_json_get_int(search, "layers"));
    if (n)
        mq_str_addf(out, "%zu layer%s in another form than asked for: ", n, n == 1 ? "" : "s");
    mq_str_add(out, json_is_true(json_object_get(search, "met")) ? "the bounds are met" : "the bounds are out of reach");
    if (json_is_true(json_object_get(search, "stopped")))
        mq_str_add(out, ", as far as was looked");
}

void mq_str_add_pruned(mq_str *out, const json_t *prune)
{
    double of_pruned = 0, of_model = 0;

    if (json_object_get(prune, "channels"))
        add_channels(out, prune);
    else if (json_object_get(prune, "layers"))
        add_layers(out, json_object_get(prune, "layers"));
    if (!mq_json_get_real(prune, "sparsity", &of_pruned))
        return;
    mq_json_get_real(prune, "model_sparsity", &of_model);
    mq_str_addf(out, "%.1f%% of ", 100 * of_pruned);
    mq_str_add_count(out, (uint64_t)mq_json_get_int(prune, "elements"));
    mq_str_addf(out, " weights are zero, %.1f%% of the model's", 100 * of_model);
}

void mq_str_add_rounds(mq_str *out, const json_t *prune)
{
    const json_t *rounds = json_object_get(prune, "rounds");
    const size_t n = json_array_size(rounds);
    double before = NAN, after = NAN;

    mq_json_get_real(prune, "metric_before", &before);
    mq_json_get_real(json_array_get(rounds, n - 1), "metric", &after);
    mq_str_addf(out, "%s %.4g after %zu round%s, %.4g before", mq_json_get_text(prune, "metric"), after, n,
                n == 1 ? "" : "s", before);
}

void mq_str_add_gzip(mq_str *out, const json_t *worth)
{
    mq_str_add(out, "about ");
    mq_str_add_bytes(out, (uint64_t)mq_json_get_int(worth, "gzip_bytes_before"));
    mq_str_add(out, " -> ");
    mq_str_add_bytes(out, (uint64_t)mq_json_get_int(worth, "gzip_bytes"));
    mq_str_add(out, " with gzip");
}
