/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Parsing --preprocess: "imagenet,std=1/1/1" or a JSON file with the same keys. JSON values become text and go the
 * same way. */
#include "data/preprocess_spec.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/compiler.h"
#include "base/pattern.h"
#include "base/str.h"
#include "data/image.h"
#include "data/parse.h"

static const struct {
    const char *name, *spec;
} presets[] = {
    { "imagenet", "resize=256,crop=224,scale=1/255,mean=0.485/0.456/0.406,std=0.229/0.224/0.225" },
    { "yolo", "letterbox,scale=1/255,antialias=off" },
    { "caffe", "resize=256,crop=224,order=bgr,mean=104/117/123" },
    { "tf", "resize,scale=1/127.5,mean=1" },
    { "clip", "resize=224,crop=224,interp=bicubic,scale=1/255,mean=0.48145466/0.4578275/0.40821073,"
              "std=0.26862954/0.26130258/0.27577711" },
    { "none", "" },
};

static mq_status bad(const mq_pipeline *p, mq_error *err, const char *key, const char *value, const char *allowed)
{
    return mq_fail(err, MQ_ERR_USAGE, "--preprocess '%s': %s=%s: %s", p->text, key, value, allowed);
}

/* ---- values --------------------------------------------------------------------------------------------------------- */

static int word_of(const char *value, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(value, words[i]) == 0)
            return i;
    return -1;
}

/* "HxW" or "S"; 0 when value is "" (the model's). single: S alone was said. */
static bool parse_sides(const char *value, int64_t *height, int64_t *width, bool *single)
{
    const char *x = strchr(value, 'x');

    *single = !x;
    *height = *width = 0;
    if (!*value)
        return true;
    if (!mq_parse_size(value, x ? (size_t)(x - value) : strlen(value), height))
        return false;
    *width = *height;
    if (x && !mq_parse_size(x + 1, strlen(x + 1), width))
        return false;
    return *height > 0 && *width > 0 && *height <= (1 << 20) && *width <= (1 << 20);
}

static bool parse_number(const char *value, double *out)
{
    char *end;

    *out = strtod(value, &end);
    return end != value && !*end && isfinite(*out);
}

/* "a/b/c" */
static bool parse_list(const char *value, float *out, int *n)
{
    char *end;

    for (*n = 0; *n < MQ_MAX_CHANNELS; value = end + 1) {
        const double v = strtod(value, &end);

        if (end == value || !isfinite(v))
            return false;
        out[(*n)++] = (float)v;
        if (*end != '/')
            return !*end;
    }
    return false;
}

/* "1/255", "0.5" */
static bool parse_scale(mq_pipeline *p, const char *value)
{
    char room[64];
    char *slash;

    if (strlen(value) >= sizeof room)
        return false;
    strcpy(room, value);
    slash = strchr(room, '/');
    p->divide = 1;
    if (slash) {
        *slash = '\0';
        if (!parse_number(slash + 1, &p->divide) || p->divide == 0)
            return false;
    }
    return parse_number(room, &p->multiply);
}

/* ---- keys ----------------------------------------------------------------------------------------------------------- */

typedef mq_status (*key_fn)(mq_pipeline *p, const char *key, const char *value, mq_error *err);

static mq_status set_word(const mq_pipeline *p, const char *key, const char *value, const char *const *words,
                          const char *allowed, int *out, mq_error *err)
{
    const int w = word_of(value, words);

    if (w < 0)
        return bad(p, err, key, value, allowed);
    *out = w;
    return MQ_OK;
}

static mq_status set_order(mq_pipeline *p, const char *key, const char *value, mq_error *err)
{
    static const char *const words[] = { "rgb", "bgr", "gray", NULL };
    int w = 0;
    const mq_status rc = set_word(p, key, value, words, "rgb, bgr or gray", &w, err);

    p->order = (mq_channel_order)w;
    return rc;
}

static mq_status set_layout(mq_pipeline *p, const char *key, const char *value, mq_error *err)
{
    static const char *const words[] = { "auto", "nchw", "nhwc", NULL };
    int w = 0;
    const mq_status rc = set_word(p, key, value, words, "nchw or nhwc", &w, err);

    *(key[0] == 'l' ? &p->layout : &p->from) = (mq_layout)w;
    return rc;
}

static mq_status set_interp(mq_pipeline *p, const char *key, const char *value, mq_error *err)
{
    static const char *const words[] = { "bilinear", "nearest", "bicubic", "area", NULL };
    int w = 0;
    const mq_status rc = set_word(p, key, value, words, "bilinear, nearest, bicubic or area", &w, err);

    p->interp = (mq_interp)w;
    return rc;
}

static mq_status set_antialias(mq_pipeline *p, const char *key, const char *value, mq_error *err)
{
    static const char *const words[] = { "off", "on", NULL };
    int w = 0;
    const mq_status rc = set_word(p, key, value, words, "on or off", &w, err);

    p->antialias = w == 1;
    return rc;
}

static mq_status set_align(mq_pipeline *p, const char *key, const char *value, mq_error *err)
{
    static const char *const words[] = { "center", "topleft", NULL };
    int w = 0;
    const mq_status rc = set_word(p, key, value, words, "center or topleft", &w, err);

    p->top_left = w == 1;
    return rc;
}

static mq_status set_fit(mq_pipeline *p, const char *key, const char *value, mq_error *err)
{
    bool single;

    if (!parse_sides(value, &p->fit_height, &p->fit_width, &single))
        return bad(p, err, key, value, "write a size from 1, or HEIGHTxWIDTH");
    if (key[0] == 'l')
        p->fit = MQ_FIT_LETTERBOX;
    else
        p->fit = single && *value ? MQ_FIT_SHORT : MQ_FIT_EXACT;
    return MQ_OK;
}

static mq_status set_crop(mq_pipeline *p, const char *key, const char *value, mq_error *err)
{
    bool single;

    p->crop = true;
    return parse_sides(value, &p->crop_height, &p->crop_width, &single)
               ? MQ_OK
               : bad(p, err, key, value, "write a size from 1, or HEIGHTxWIDTH");
}

static mq_status set_fill(mq_pipeline *p, const char *key, const char *value, mq_error *err)
{
    int64_t v;

    if (!mq_parse_size(value, strlen(value), &v) || v > 255)
        return bad(p, err, key, value, "0 to 255");
    p->fill = (int)v;
    return MQ_OK;
}

static mq_status set_scale(mq_pipeline *p, const char *key, const char *value, mq_error *err)
{
    return parse_scale(p, value) ? MQ_OK : bad(p, err, key, value, "write a number, or 1/255");
}

static mq_status set_mean(mq_pipeline *p, const char *key, const char *value, mq_error *err)
{
    return parse_list(value, p->mean, &p->n_mean)
               ? MQ_OK
               : bad(p, err, key, value, "write a number, or one per channel as a/b/c");
}

static mq_status set_std(mq_pipeline *p, const char *key, const char *value, mq_error *err)
{
    bool ok = parse_list(value, p->std, &p->n_std);

    for (int i = 0; ok && i < p->n_std; i++)
        ok = p->std[i] != 0;
    return ok ? MQ_OK : bad(p, err, key, value, "write a number that is not 0, or one per channel as a/b/c");
}

static mq_status set_input(mq_pipeline *p, const char *key, const char *value, mq_error *err)
{
    if (!*value)
        return bad(p, err, key, value, "write the input's name");
    free(p->input);
    p->input = strdup(value);
    return p->input ? MQ_OK : mq_oom(err);
}

static const struct {
    const char *name;
    key_fn set;
} keys[] = {
    { "order", set_order },
    { "resize", set_fit },
    { "letterbox", set_fit },
    { "fill", set_fill },
    { "align", set_align },
    { "crop", set_crop },
    { "scale", set_scale },
    { "mean", set_mean },
    { "std", set_std },
    { "layout", set_layout },
    { "from", set_layout },
    { "interp", set_interp },
    { "antialias", set_antialias },
    { "input", set_input },
};

static mq_status unknown_key(const mq_pipeline *p, const char *key, mq_error *err)
{
    const char *names[MQ_ARRAY_LEN(keys) + MQ_ARRAY_LEN(presets)];
    char near[200];
    size_t n = 0;

    for (size_t i = 0; i < MQ_ARRAY_LEN(keys); i++)
        names[n++] = keys[i].name;
    for (size_t i = 0; i < MQ_ARRAY_LEN(presets); i++)
        names[n++] = presets[i].name;
    mq_suggest(near, sizeof near, key, names, n);
    return mq_fail(err, MQ_ERR_USAGE, "--preprocess '%s': there is no key or preset '%s'%s", p->text, key, near);
}

static mq_status set_key(mq_pipeline *p, const char *key, const char *value, mq_error *err)
{
    for (size_t i = 0; i < MQ_ARRAY_LEN(keys); i++)
        if (strcmp(keys[i].name, key) == 0)
            return keys[i].set(p, key, value, err);
    return unknown_key(p, key, err);
}

/* ---- specs ---------------------------------------------------------------------------------------------------------- */

static const char *find_preset(const char *name)
{
    for (size_t i = 0; i < MQ_ARRAY_LEN(presets); i++)
        if (strcmp(presets[i].name, name) == 0)
            return presets[i].spec;
    return NULL;
}

static mq_status parse_items(mq_pipeline *p, const char *spec, bool presets_too, mq_error *err)
{
    char *text = strdup(spec), *save = NULL;
    bool first = true;
    mq_status rc = text ? MQ_OK : mq_oom(err);

    for (char *item = text ? strtok_r(text, ",", &save) : NULL; item && rc == MQ_OK; first = false) {
        char *eq = strncmp(item, "input=", 6) == 0 ? item + 5 : strrchr(item, '=');
        const char *preset = eq || !presets_too ? NULL : find_preset(item);

        if (eq)
            *eq = '\0';
        if (preset && !first)
            rc = mq_fail(err, MQ_ERR_USAGE,
                         "--preprocess '%s': the preset '%s' comes first, what changes it after it", p->text, item);
        else if (preset)
            rc = parse_items(p, preset, false, err);
        else
            rc = set_key(p, item, eq ? eq + 1 : "", err);
        item = strtok_r(NULL, ",", &save);
    }
    free(text);
    return rc;
}

/* A JSON value as the text that the key takes; arrays are joined with `join`. */
static bool json_text(mq_str *s, const json_t *v, char join)
{
    if (json_is_string(v)) {
        mq_str_add(s, json_string_value(v));
    } else if (json_is_number(v)) {
        mq_str_addf(s, "%.17g", json_number_value(v));
    } else if (json_is_boolean(v)) {
        mq_str_add(s, json_is_true(v) ? "on" : "off");
    } else if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (!json_is_number(json_array_get(v, i)))
                return false;
            if (i)
                mq_str_addf(s, "%c", join);
            mq_str_addf(s, "%.17g", json_number_value(json_array_get(v, i)));
        }
        return json_array_size(v) > 0;
    } else {
        return false;
    }
    return true;
}

static mq_status set_json(mq_pipeline *p, const char *key, const json_t *v, mq_error *err)
{
    const bool sides = strcmp(key, "resize") == 0 || strcmp(key, "letterbox") == 0 || strcmp(key, "crop") == 0;
    mq_str s = { 0 };
    mq_status rc;

    mq_str_add(&s, "");
    if (strcmp(key, "about") == 0)
        rc = MQ_OK;
    else if (sides && json_is_true(v)) /* the model's size */
        rc = set_key(p, key, "", err);
    else if (!json_text(&s, v, sides ? 'x' : '/'))
        rc = mq_fail(err, MQ_ERR_USAGE, "%s: the value of '%s' is no text, number or list of numbers", p->text, key);
    else
        rc = s.failed ? mq_oom(err) : set_key(p, key, s.s ? s.s : "", err);
    mq_str_release(&s);
    return rc;
}

static mq_status parse_json(mq_pipeline *p, const char *path, mq_error *err)
{
    mq_buf *b = NULL;
    json_t *root = NULL, *v;
    json_error_t why;
    const char *key;
    mq_status rc;

    MQ_TRY(mq_buf_map(&b, path, err));
    root = json_loadb((const char *)b->data, b->size, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(root)) {
        rc = mq_fail(err, MQ_ERR_INPUT, "%s: no JSON object of keys for --preprocess%s%s", path, root ? "" : ": ",
                     root ? "" : why.text);
        goto done;
    }
    if ((v = json_object_get(root, "preset")) != NULL) {
        const char *preset = json_is_string(v) ? find_preset(json_string_value(v)) : NULL;

        rc = preset ? parse_items(p, preset, false, err)
                    : mq_fail(err, MQ_ERR_USAGE, "%s: the presets are %s", path, MQ_PRESETS);
    }
    json_object_foreach(root, key, v)
        if (rc == MQ_OK && strcmp(key, "preset") != 0)
            rc = set_json(p, key, v, err);
done:
    if (rc != MQ_OK)
        mq_error_one_line(err); /* keys, and what jansson stumbled over */
    json_decref(root);
    mq_buf_unref(b);
    return rc;
}

mq_status mq_pipeline_parse(mq_pipeline **out, const char *text, const mq_hooks *hooks, mq_error *err)
{
    const size_t n = strlen(text);
    mq_pipeline *p = calloc(1, sizeof *p);
    mq_status rc;

    if (!p)
        return mq_oom(err);
    *p = (mq_pipeline){ .text = strdup(text), .input = strdup(""), .fill = 114, .multiply = 1, .divide = 1,
                        .std = { 1 }, .n_mean = 1,
                        .n_std = 1, .antialias = true, .channels = -1, .height = -1, .width = -1 };
    if (!p->text || !p->input) {
        rc = mq_oom(err);
    } else if (n > 5 && strcasecmp(text + n - 5, ".json") == 0) {
        mq_note_file(hooks, text, false);
        rc = parse_json(p, text, err);
    } else {
        rc = n ? parse_items(p, text, true, err)
               : mq_fail(err, MQ_ERR_USAGE, "--preprocess is empty; presets are %s", MQ_PRESETS);
    }
    if (rc == MQ_OK)
        *out = p;
    else
        mq_pipeline_free(p);
    return rc;
}

void mq_pipeline_free(mq_pipeline *p)
{
    if (!p)
        return;
    free(p->text);
    free(p->input);
    free(p);
}

const char *mq_pipeline_input(const mq_pipeline *p)
{
    return p->input;
}
