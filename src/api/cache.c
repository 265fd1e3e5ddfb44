/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "api/cache.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/calibrate.h"
#include "api/running.h"
#include "base/file.h"
#include "base/str.h"
#include "model/external.h"

struct mq_cache {
    mq_cache_ask ask;
    const mq_quantize_opts *o;
    const mq_hooks *hooks; /* of the running call, as err */
    mq_error *err;
    const char *const *files;
    size_t n;
    mq_calibration want; /* texts only: what a calibration that fits says of itself; data NULL: any */
    mq_calibration read; /* what the files say; {0}: nothing that fits */
    bool is_read;
};

/* ---- what it has to be -------------------------------------------------------------------------------------------- */

mq_status mq_cache_hash_model(const mq_model *m, char hex[MQ_SHA256_HEX], mq_error *err)
{
    mq_map seen = { 0 };
    mq_status rc = MQ_OK;

    mq_sha256_bytes(m->bufs.items[0]->data, m->bufs.items[0]->size, hex); /* the first is the file */
    for (size_t i = 0; i < m->graphs.n; i++)
        for (size_t k = 0; k < m->graphs.items[i]->inits.n; k++) {
            const mq_tensor *t = m->graphs.items[i]->inits.items[k]->init;
            char content[MQ_SHA256_HEX], *path = NULL;
            if (!t || t->storage != MQ_STORE_EXTERNAL || mq_map_get(&seen, t->external.location))
                continue;
            MQ_TRY(mq_map_put(&seen, t->external.location, (void *)t) ? MQ_OK : mq_oom(err));
            MQ_TRY(mq_external_path(m, t->external.location, &path, err));
            rc = mq_sha256_file(path, content, err);
            free(path);
            if (rc != MQ_OK)
                goto done;
            mq_sha256_chain(hex, content);
        }
done:
    mq_map_release(&seen);
    return rc;
}

/* Takes what s holds. */
static mq_status text_of(mq_str *s, char **out, mq_error *err)
{
    if (s->failed)
        mq_str_release(s);
    else
        *out = s->s ? s->s : strdup("");
    return *out ? MQ_OK : mq_oom(err);
}

/* Presets as they are written; a file by what is in it, wherever it lies. */
static mq_status describe_preprocess(const mq_data_source *s, char **out, mq_error *err)
{
    mq_str text = { 0 };

    for (size_t i = 0; i < s->n_preprocess; i++) {
        const char *item = s->preprocess[i], *equals = strrchr(item, '=');
        const size_t n = strlen(item);
        const bool is_file = n > 5 && strcasecmp(item + n - 5, ".json") == 0;
        const char *path = is_file && equals && access(item, F_OK) != 0 ? equals + 1 : item;
        char hex[MQ_SHA256_HEX];
        mq_status rc;
        mq_str_add(&text, i ? " " : "");
        if (!is_file) {
            mq_str_add(&text, item);
            continue;
        }
        if ((rc = mq_sha256_file(path, hex, err)) != MQ_OK) {
            mq_str_release(&text);
            return rc;
        }
        mq_str_addf(&text, "%.*s%s", (int)(path - item), item, hex);
    }
    return text_of(&text, out, err);
}

static void add_list(mq_str *s, const char *option, const char *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mq_str_addf(s, ", --%s %s", option, items[i]);
}

static bool has_random(const char *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(items[i], "random"))
            return true;
    return false;
}

static mq_status describe_sampling(const mq_data_source *s, const mq_dataset *ds, char **out, mq_error *err)
{
    mq_str text = { 0 };

    mq_str_addf(&text, "%llu of %llu samples, batch %lld", (unsigned long long)mq_dataset_n_chosen(ds),
                (unsigned long long)mq_dataset_n_total(ds), (long long)(mq_dataset_batch(ds) ? mq_dataset_batch(ds) : 1));
    add_list(&text, "shape", s->shapes, s->n_shapes);
    add_list(&text, "dim", s->dims, s->n_dims);
    add_list(&text, "fill", s->fills, s->n_fills);
    add_list(&text, "carry", s->carry, s->n_carry);
    if (has_random(s->data, s->n_data) || has_random(s->fills, s->n_fills))
        mq_str_addf(&text, ", --seed %llu", (unsigned long long)s->seed);
    return text_of(&text, out, err);
}

static mq_status describe_data(mq_cache *k)
{
    const mq_data_source *s = &k->o->calibrate_on;
    const mq_graph *g;
    mq_model *shaped = NULL;
    mq_dataset *ds = NULL;
    char digest[96];
    mq_status rc;

    MQ_TRY(mq_source_shape(s, k->ask.model, &shaped, k->err));
    g = shaped ? shaped->graph : k->ask.model->graph;
    MQ_TRY(mq_source_open_part(&ds, s, k->want.shard, k->want.n_shards, (const mq_value *const *)g->inputs.items,
                               g->inputs.n, (const mq_value *const *)g->outputs.items, g->outputs.n, k->hooks, k->err));
    MQ_TRY(mq_dataset_digest(ds, digest, sizeof digest, k->err));
    MQ_TRY((k->want.data = strdup(digest)) ? MQ_OK : mq_oom(k->err));
    MQ_TRY(describe_preprocess(s, &k->want.preprocess, k->err));
    rc = describe_sampling(s, ds, &k->want.sampling, k->err);
done:
    mq_dataset_free(ds);
    mq_model_free(shaped);
    return rc;
}

static mq_status describe(mq_cache *k)
{
    mq_status rc = MQ_OK;

    k->want.shard = k->o->n_shards ? k->o->shard : 1;
    k->want.n_shards = k->o->n_shards ? k->o->n_shards : 1;
    if (!k->n)
        return MQ_OK;
    k->want.model = strdup(k->ask.hash);
    MQ_TRY(k->want.model ? MQ_OK : mq_oom(k->err));
    if (k->o->calibrate_on.n_data)
        MQ_TRY(describe_data(k));
done:
    return rc;
}

/* ---- does it fit ---------------------------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static void add_difference(mq_str *why, const char *what, const char *was, const char *is)
{
    if (!same(was, is))
        mq_str_addf(why, "%s%s was '%s' and is '%s'", why->n ? "; " : "", what, was ? was : "", is ? is : "");
}

/* A point without numbers and without a range. */
static void add_missing(mq_str *why, const mq_calibration *c, const mq_placement *p)
{
    for (size_t i = 0; i < p->points.n; i++)
        if (!mq_calibration_find(c, p->points.items[i]->value->name)) {
            mq_str_addf(why, "%stensor '%s' is not in it: now other operators are quantized", why->n ? "; " : "",
                        p->points.items[i]->value->name);
            return;
        }
}

/* Smoothing comes later, and from what is read. */
static bool is_prepared_so(const mq_calibration *c, const char *prepared)
{
    const char *was = c->prepared ? c->prepared : "";
    const size_t n = strlen(prepared);

    return strncmp(was, prepared, n) == 0 && (!was[n] || strncmp(was + n, ", smooth ", 9) == 0);
}

/* What keeps c from being what is asked for; nothing: it fits. */
static void find_differences(const mq_cache *k, const mq_calibration *c, mq_str *why)
{
    const mq_calibration *w = &k->want;
    mq_error shards = { 0 };

    if (!same(c->model, w->model))
        mq_str_add(why, "the model has changed");
    if (!is_prepared_so(c, k->ask.prepared))
        add_difference(why, "the preparation of the model", c->prepared, k->ask.prepared);
    if (w->data) {
        add_difference(why, "the preprocessing", c->preprocess, w->preprocess);
        add_difference(why, "what is taken of the data", c->sampling, w->sampling);
        if (!same(c->data, w->data))
            mq_str_addf(why, "%sthe data have changed", why->n ? "; " : "");
    }
    if (k->o->calibrate_only && (c->shard != w->shard || c->n_shards != w->n_shards || c->last_shard))
        mq_str_addf(why, "%sit is shard %d/%d, not %d/%d", why->n ? "; " : "", c->shard, c->n_shards, w->shard, w->n_shards);
    else if (!k->o->calibrate_only && mq_calibration_check_whole(c, &shards) != MQ_OK)
        mq_str_addf(why, "%s%s", why->n ? "; " : "", shards.text);
}

/* The same, once it is known what is run and what is seen. */
static void find_other_use(const mq_calibration *c, const mq_cache_use *use, mq_str *why)
{
    add_difference(why, "the preparation of the model", c->prepared, use->prepared);
    if (!why->n)
        add_missing(why, c, use->placement);
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

struct part {
    const char *file;
    int shard;
};

static int by_shard(const void *a, const void *b)
{
    const struct part *x = a, *y = b;

    return x->shard != y->shard ? (x->shard > y->shard) - (x->shard < y->shard) : strcmp(x->file, y->file);
}

/* The files in the order of their shards. They are read for that alone: all of them in memory may be large. */
static mq_status sort_files(const mq_cache *k, struct part *parts)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && i < k->n; i++) {
        mq_calibration c = { 0 };
        parts[i].file = k->files[i];
        if ((rc = mq_calibration_load(&c, k->files[i], k->hooks, k->err)) == MQ_OK)
            parts[i].shard = c.shard;
        mq_calibration_release(&c);
    }
    qsort(parts, k->n, sizeof *parts, by_shard);
    return rc;
}

static mq_status read_several(const mq_cache *k, mq_calibration *c)
{
    struct part *parts = calloc(k->n, sizeof *parts);
    mq_status rc = MQ_OK;

    MQ_TRY(parts ? MQ_OK : mq_oom(k->err));
    MQ_TRY(sort_files(k, parts));
    for (size_t i = 0; i < k->n; i++) {
        mq_calibration more = { 0 };
        MQ_TRY(mq_check_cancelled(k->hooks, k->err));
        MQ_TRY(mq_calibration_load(&more, parts[i].file, NULL, k->err));
        if ((rc = mq_calibration_merge(c, &more, k->err)) == MQ_ERR_INPUT)
            mq_error_prefix(k->err, "%s", parts[i].file);
        mq_calibration_release(&more);
        if (rc != MQ_OK)
            goto done;
    }
done:
    free(parts);
    return rc;
}

/* Says why what was read does not fit, if so: an error, or a warning where it is made anew. Takes why. */
static mq_status judge(mq_cache *k, mq_str *why)
{
    const bool anew = k->n == 1 && k->o->save.force && k->o->calibrate_on.n_data;
    mq_status rc = MQ_OK;

    if (why->failed)
        rc = mq_oom(k->err);
    else if (why->n && !anew)
        rc = mq_fail(k->err, MQ_ERR_INPUT, "%s%s: the calibration does not fit: %s%s", k->files[0],
                     k->n > 1 ? " and others" : "", why->s,
                     k->n == 1 && k->o->calibrate_on.n_data ? " (-f makes it anew)" : "");
    else if (why->n)
        mq_warn(k->hooks, "calibration-anew", k->files[0], "%s did not fit and is made anew: %s", k->files[0], why->s);
    k->is_read = rc == MQ_OK && !why->n;
    if (!k->is_read)
        mq_calibration_release(&k->read);
    mq_str_release(why);
    return rc;
}

static mq_status read_files(mq_cache *k)
{
    mq_str why = { 0 };
    mq_status rc;

    MQ_TRY(k->n == 1 ? mq_calibration_load(&k->read, k->files[0], k->hooks, k->err) : read_several(k, &k->read));
    find_differences(k, &k->read, &why);
    rc = judge(k, &why);
done:
    return rc;
}

/* A name to be written: one that nobody has yet, and is not missing among several. */
static mq_status look_for_files(const mq_cache *k, bool *exist)
{
    struct stat st;

    *exist = k->n > 0;
    for (size_t i = 0; i < k->n; i++)
        if (stat(k->files[i], &st) != 0) {
            if (k->n > 1)
                return mq_fail_errno(k->err, MQ_ERR_INPUT, "read", k->files[i]);
            *exist = false;
        }
    if (k->n && !*exist && !k->o->calibrate_on.n_data)
        return mq_fail(k->err, MQ_ERR_USAGE, "--calibration-cache %s: there is no such file, and no --data to make it from",
                       k->files[0]);
    return MQ_OK;
}

mq_status mq_cache_open(mq_cache **out, const mq_cache_ask *ask, const mq_hooks *hooks, mq_error *err)
{
    mq_cache *k = calloc(1, sizeof *k);
    bool exist = false;
    mq_status rc;

    if (!k)
        return mq_oom(err);
    *k = (mq_cache){ .ask = *ask, .o = ask->opts, .hooks = hooks, .err = err,
                     .files = ask->opts->calibration_cache.items, .n = ask->opts->calibration_cache.n };
    MQ_TRY(look_for_files(k, &exist));
    MQ_TRY(describe(k));
    if (exist)
        MQ_TRY(read_files(k));
    else if (k->n && !k->o->dry_run) /* what is sure to fail behind long work fails before it */
        MQ_TRY(mq_outfile_try(k->files[0], true, err));
    *out = k;
    k = NULL;
done:
    mq_cache_close(k);
    return rc;
}

void mq_cache_close(mq_cache *k)
{
    if (!k)
        return;
    mq_calibration_release(&k->want);
    mq_calibration_release(&k->read);
    free(k);
}

bool mq_cache_is_read(const mq_cache *k)
{
    return k->is_read;
}

const mq_channel_table *mq_cache_channels(const mq_cache *k)
{
    return k->is_read && k->read.has_channels ? &k->read.channels : NULL;
}

/* ---- making -------------------------------------------------------------------------------------------------------- */

static mq_status keep_channels(mq_calibration *c, const mq_channel_table *channels, mq_error *err)
{
    c->has_channels = channels != NULL;
    return channels ? mq_channel_table_copy(&c->channels, channels, err) : MQ_OK;
}

static mq_status make(mq_cache *k, mq_calibration *c, const mq_cache_use *use)
{
    const mq_calibrate_on on = { &k->o->calibrate_on, k->want.shard, k->want.n_shards };
    mq_calibration *w = &k->want;
    mq_status rc = MQ_OK;

    if (k->n && !k->o->dry_run)
        MQ_TRY(mq_outfile_try(k->files[0], true, k->err));
    MQ_TRY(mq_calibrate(c, use->model, use->placement, &on, k->hooks, k->err));
    if (!k->n)
        return MQ_OK;
    free(c->data);
    c->model = w->model;
    c->preprocess = w->preprocess;
    c->data = w->data;
    c->sampling = w->sampling;
    k->want = (mq_calibration){ 0 };
    MQ_TRY((c->prepared = strdup(use->prepared)) ? MQ_OK : mq_oom(k->err));
    MQ_TRY(keep_channels(c, use->channels, k->err));
    if (!k->o->dry_run)
        rc = mq_calibration_save(c, k->files[0], k->o->save.sync, k->err);
done:
    return rc;
}

static mq_status use_read(mq_cache *k, const mq_cache_use *use)
{
    mq_str why = { 0 };

    find_other_use(&k->read, use, &why);
    return judge(k, &why);
}

mq_status mq_cache_obtain(mq_cache *k, mq_calibration *c, const mq_cache_use *use, const mq_hooks *hooks, mq_error *err)
{
    mq_status rc = MQ_OK;

    k->hooks = hooks;
    k->err = err;
    if (k->is_read)
        MQ_TRY(use_read(k, use));
    if (k->is_read) {
        *c = k->read;
        k->read = (mq_calibration){ 0 };
    } else {
        MQ_TRY(make(k, c, use));
    }
    if (!c->samples && c->n_shards == 1) /* of parts each may be empty, all of them not */
        for (size_t i = 0; i < c->tensors.n && rc == MQ_OK; i++)
            if (!c->tensors.items[i]->has_range)
                rc = mq_fail(err, MQ_ERR_INPUT, "the calibration holds no sample");
done:
    return rc;
}

bool mq_cache_is_generated(const mq_calibration *c)
{
    return c->data && strstr(c->data, "generated:");
}
