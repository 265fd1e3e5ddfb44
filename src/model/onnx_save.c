/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From a model to files: plan, pack the structure, fill in the payloads tensor by tensor, put everything in place. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/gzip.h"
#include "base/str.h"
#include "model/onnx_write.h"
#include "model/save.h"

mq_save_opts mq_save_opts_default(void)
{
    return (mq_save_opts){ .external = MQ_EXTERNAL_AUTO, .external_threshold = 1024 };
}

struct mq_saving {
    mq_model *m;
    const char *path;
    const mq_save_opts *opts;
    const mq_hooks *hooks;
    mq_error *err;
    mq_write_plan plan;
    mq_outfile *target;  /* the model file */
    mq_outfile *scratch; /* its bytes before compression, when it is compressed */
    mq_outfile **data;   /* data files, plan.files.n of them (NULL until opened) */
    uint64_t done, total; /* payload bytes, for progress */
};

/* A place in an output file for one payload. */
struct file_sink {
    mq_sink base;
    mq_outfile *f;
    uint64_t at, n_bytes;
};

static mq_status sink_write_at(mq_sink *base, uint64_t offset, const void *data, size_t n, mq_error *err)
{
    struct file_sink *s = (struct file_sink *)base;

    if (offset > s->n_bytes || n > s->n_bytes - offset)
        MQ_BUG("a tensor's maker wrote more than it said");
    return mq_outfile_write_at(s->f, s->at + offset, data, n, err);
}

static mq_status check_data_name(const char *name, const char *path, mq_error *err)
{
    const char *slash = strrchr(path, '/');

    if (!name)
        return MQ_OK;
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return mq_fail(err, MQ_ERR_USAGE,
                       "external data file '%s': it lies beside the model, so give a name without a folder", name);
    if (strcmp(name, slash ? slash + 1 : path) == 0)
        return mq_fail(err, MQ_ERR_USAGE, "external data file '%s': this is the model's own name", name);
    return MQ_OK;
}

/* Plans once, and again with the large tensors outside when the file would pass what a message may have. */
static mq_status make_plan(mq_saving *s)
{
    mq_write_plan *p = &s->plan;
    const char *slash = strrchr(s->path, '/');
    bool piped = strcmp(s->path, "-") == 0;
    mq_status rc;

    p->model = s->m;
    p->opts = s->opts;
    p->base_name = slash ? slash + 1 : s->path;
    p->keeps_external = s->m->had_external;
    if (!(p->arena = mq_arena_create()))
        return mq_oom(s->err);
    if ((rc = mq_onnx_write_plan(p, s->err)) != MQ_OK)
        return rc;
    if (mq_wire_size(&p->msg->base) > INT_MAX) {
        if (s->opts->external == MQ_EXTERNAL_NONE || piped)
            return mq_fail(s->err, MQ_ERR_UNSUPPORTED, "%s: the model is over 2 GB, which one file cannot hold (%s)",
                           s->path, piped ? "write it to a file with -o FILE" : "leave out --external-data none");
        mq_warn(s->hooks, "external-auto", s->path, "the model is over 2 GB: its weights go to '%s.data'", p->base_name);
        p->everything_out = true;
        if ((rc = mq_onnx_write_plan(p, s->err)) != MQ_OK)
            return rc;
    }
    if (piped && p->external.n)
        return mq_fail(s->err, MQ_ERR_UNSUPPORTED,
                       "external data cannot go to standard output (--external-data none puts them into the model)");
    return MQ_OK;
}

static mq_status open_outputs(mq_saving *s)
{
    const char *slash = strrchr(s->path, '/');
    size_t folder = slash ? (size_t)(slash - s->path) + 1 : 0;
    mq_status rc = mq_outfile_open(&s->target, s->path, s->opts->force, s->err);

    if (rc == MQ_OK && mq_ends_with(s->path, ".gz"))
        rc = mq_outfile_scratch(&s->scratch, s->err);
    if (!(s->data = calloc(s->plan.files.n + 1, sizeof *s->data)))
        return mq_oom(s->err);
    for (size_t i = 0; rc == MQ_OK && i < s->plan.files.n; i++) {
        char *path = mq_arena_printf(s->plan.arena, "%.*s%s", (int)folder, s->path, s->plan.files.items[i]);
        rc = path ? mq_outfile_open(&s->data[i], path, s->opts->force, s->err) : mq_oom(s->err);
    }
    return rc;
}

/* Hooks that count one maker's progress on from what is done. */
struct relay {
    mq_saving *save;
    mq_hooks hooks;
};

static void relay_progress(void *user, const char *step, uint64_t done, uint64_t total)
{
    const struct relay *r = user;
    (void)step;
    (void)total;
    mq_progress(r->save->hooks, "writing", r->save->done + done, r->save->total);
}

static bool relay_cancelled(void *user)
{
    return mq_cancelled(((const struct relay *)user)->save->hooks);
}

static void relay_warn(void *user, const mq_warning *w)
{
    const mq_hooks *h = ((const struct relay *)user)->save->hooks;
    if (h && h->warn)
        h->warn(h->user, w);
}

static mq_status make(mq_saving *s, const mq_maker *maker, mq_outfile *f, uint64_t at)
{
    struct file_sink sink = { { sink_write_at }, f, at, maker->n_bytes };
    struct relay relay = { .save = s };
    mq_status rc;

    relay.hooks = (mq_hooks){ .user = &relay, .warn = relay_warn, .progress = relay_progress,
                              .cancelled = relay_cancelled, .n_threads = s->hooks ? s->hooks->n_threads : 0 };
    rc = mq_check_cancelled(s->hooks, s->err);
    if (rc == MQ_OK)
        rc = maker->make(maker->user, &sink.base, &relay.hooks, s->err);
    s->done += maker->n_bytes;
    return rc;
}

static mq_status write_model_file(mq_saving *s)
{
    mq_write_plan *p = &s->plan;
    mq_outfile *f = s->scratch ? s->scratch : s->target;
    mq_status rc = mq_wire_pack(&p->msg->base, f, p->payloads, p->n_payloads, s->m->bufs.items, s->m->bufs.n, s->err);

    for (size_t i = 0; rc == MQ_OK && i < p->n_payloads; i++)
        rc = make(s, p->payloads[i].maker, f, p->payloads[i].at);
    return rc;
}

static mq_status copy_tensor(mq_saving *s, const mq_external_out *e, mq_outfile *f)
{
    const void *data = NULL;
    mq_status rc = mq_check_cancelled(s->hooks, s->err);

    if (rc != MQ_OK || (rc = mq_tensor_bytes(e->tensor, &data, s->err)) != MQ_OK)
        return rc;
    if (e->tensor->buf && e->tensor->buf->fd >= 0 && !e->tensor->unpacked)
        rc = mq_outfile_copy(f, e->tensor->buf->fd, (uint64_t)((const unsigned char *)data - e->tensor->buf->data),
                             e->n_bytes, s->err);
    else
        rc = mq_outfile_write(f, data, e->n_bytes, s->err);
    s->done += e->n_bytes;
    mq_progress(s->hooks, "writing", s->done, s->total);
    return rc;
}

static mq_status write_data_files(mq_saving *s)
{
    static const char zeros[4096];
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && i < s->plan.external.n; i++) {
        const mq_external_out *e = &s->plan.external.items[i];
        mq_outfile *f = s->data[e->file];
        rc = mq_outfile_write(f, zeros, (size_t)(e->offset - mq_outfile_pos(f)), s->err);
        if (rc != MQ_OK || e->n_bytes == 0)
            continue;
        if (e->tensor->storage != MQ_STORE_MADE)
            rc = copy_tensor(s, e, f);
        else if ((rc = mq_outfile_reserve(f, e->n_bytes, s->err)) == MQ_OK)
            rc = make(s, e->tensor->maker, f, e->offset);
    }
    return rc;
}

static void count_total(mq_saving *s)
{
    for (size_t i = 0; i < s->plan.n_payloads; i++)
        s->total += s->plan.payloads[i].n_bytes;
    for (size_t i = 0; i < s->plan.external.n; i++)
        s->total += s->plan.external.items[i].n_bytes;
}

static mq_status write_all(mq_saving *s)
{
    mq_status rc;

    count_total(s);
    if ((rc = write_data_files(s)) != MQ_OK || (rc = write_model_file(s)) != MQ_OK)
        return rc;
    if (s->scratch)
        rc = mq_gzip_pack(s->target, mq_outfile_fd(s->scratch), mq_outfile_pos(s->scratch), s->hooks, s->err);
    return rc == MQ_OK ? mq_check_cancelled(s->hooks, s->err) : rc;
}

mq_status mq_saving_begin(mq_saving **out, mq_model *m, const char *path, const mq_save_opts *opts, const mq_hooks *hooks,
                          mq_error *err)
{
    mq_saving *s = calloc(1, sizeof *s);
    mq_status rc;

    if (!s)
        return mq_oom(err);
    *s = (mq_saving){ .m = m, .path = path, .opts = opts, .hooks = hooks, .err = err };
    if ((rc = check_data_name(opts->external_file, path, err)) != MQ_OK || (rc = make_plan(s)) != MQ_OK ||
        (rc = open_outputs(s)) != MQ_OK || (rc = write_all(s)) != MQ_OK) {
        mq_saving_abort(s);
        return rc;
    }
    *out = s;
    return MQ_OK;
}

mq_saved mq_saving_sizes(const mq_saving *s)
{
    mq_saved sizes = { .model_bytes = mq_outfile_pos(s->target) };

    for (size_t i = 0; i < s->plan.files.n; i++)
        sizes.data_bytes += mq_outfile_pos(s->data[i]);
    return sizes;
}

mq_status mq_saving_estimate(mq_model *m, const char *path, const mq_save_opts *opts, mq_saved *sizes, mq_error *err)
{
    mq_saving s = { .m = m, .path = path, .opts = opts, .err = err };
    mq_status rc = make_plan(&s);

    if (rc == MQ_OK) {
        *sizes = (mq_saved){ .model_bytes = mq_wire_size(&s.plan.msg->base) };
        for (size_t i = 0; i < s.plan.file_sizes.n; i++)
            sizes->data_bytes += s.plan.file_sizes.items[i];
    }
    mq_arena_free(s.plan.arena);
    return rc;
}

const char *mq_saving_data_file(const mq_saving *s, size_t i, uint64_t *bytes)
{
    if (i >= s->plan.files.n)
        return NULL;
    *bytes = mq_outfile_pos(s->data[i]);
    return mq_outfile_path(s->data[i]);
}

mq_status mq_saving_reload(const mq_saving *s, mq_model **out, mq_error *err)
{
    mq_model *m = NULL;
    mq_status rc = MQ_OK;
    int fd = dup(mq_outfile_fd(s->target));

    if (fd < 0)
        return mq_fail_errno(err, MQ_ERR_SYSTEM, "read back", s->path);
    if ((rc = mq_model_load_fd(&m, fd, s->path, err)) != MQ_OK)
        return rc;
    for (size_t i = 0; rc == MQ_OK && i < s->plan.files.n; i++) {
        const char *location = mq_arena_strdup(m->arena, s->plan.files.items[i]);
        mq_buf *buf = NULL;
        if (!location || (fd = dup(mq_outfile_fd(s->data[i]))) < 0)
            rc = mq_oom(err);
        else if ((rc = mq_buf_map_fd(&buf, fd, location, err)) == MQ_OK &&
                 (rc = mq_model_keep_buf(m, buf, err)) == MQ_OK && !mq_map_put(&m->external, location, buf))
            rc = mq_oom(err);
    }
    if (rc == MQ_OK)
        *out = m;
    else
        mq_model_free(m);
    return rc;
}

static void saving_free(mq_saving *s)
{
    mq_outfile_abort(s->scratch);
    free(s->data);
    mq_arena_free(s->plan.arena);
    free(s);
}

mq_status mq_saving_commit(mq_saving *s, mq_error *err)
{
    mq_status rc = mq_outfile_commit_with(s->target, s->data, s->plan.files.n, s->opts->sync, err);

    saving_free(s);
    return rc;
}

mq_status mq_saving_commit_all(mq_saving **all, size_t n, mq_outfile *list, bool sync, mq_error *err)
{
    mq_outfile **files;
    size_t n_files = 0;
    mq_status rc;

    for (size_t i = 0; i < n; i++)
        n_files += all[i]->plan.files.n + 1;
    if (!(files = calloc(n_files + 1, sizeof *files))) {
        mq_outfile_abort(list);
        for (size_t i = 0; i < n; i++)
            mq_saving_abort(all[i]);
        return mq_oom(err);
    }
    n_files = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < all[i]->plan.files.n; k++)
            files[n_files++] = all[i]->data[k];
        files[n_files++] = all[i]->target;
    }
    rc = mq_outfile_commit_with(list, files, n_files, sync, err);
    for (size_t i = 0; i < n; i++)
        saving_free(all[i]);
    free(files);
    return rc;
}

void mq_saving_abort(mq_saving *s)
{
    if (!s)
        return;
    mq_outfile_abort(s->target);
    for (size_t i = 0; s->data && i < s->plan.files.n; i++)
        mq_outfile_abort(s->data[i]);
    saving_free(s);
}

mq_status mq_model_save(mq_model *m, const char *path, const mq_save_opts *opts, const mq_hooks *hooks, mq_saved *saved,
                        mq_error *err)
{
    mq_save_opts defaults = mq_save_opts_default();
    mq_saving *s = NULL;
    mq_saved sizes;
    mq_status rc = mq_saving_begin(&s, m, path, opts ? opts : &defaults, hooks, err);

    if (rc != MQ_OK)
        return rc;
    sizes = mq_saving_sizes(s);
    rc = mq_saving_commit(s, err);
    if (rc == MQ_OK && saved)
        *saved = sizes;
    return rc;
}
