/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From a model to files: plan, pack the structure, fill in the payloads tensor by tensor, put everything in place at once. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "model/gzip.h"
#include "model/onnx_write.h"

mq_save_opts mq_save_opts_default(void)
{
    return (mq_save_opts){ .external = MQ_EXTERNAL_AUTO, .external_threshold = 1024 };
}

struct save {
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

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static mq_status check_data_name(const char *name, mq_error *err)
{
    if (!name)
        return MQ_OK;
    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return mq_fail(err, MQ_ERR_USAGE, "external data file '%s': it lies beside the model, so give a name without a folder",
                       name);
    return MQ_OK;
}

/* Plans once, and again with the large tensors outside when the file would pass what a message may have. */
static mq_status make_plan(struct save *s)
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
            return mq_fail(s->err, MQ_ERR_UNSUPPORTED, "%s: the model is over 2 GB, which one file cannot hold (%s)", s->path,
                           piped ? "write it to a file with -o FILE" : "leave out --external-data none");
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

static mq_status open_outputs(struct save *s)
{
    const char *slash = strrchr(s->path, '/');
    size_t folder = slash ? (size_t)(slash - s->path) + 1 : 0;
    mq_status rc = mq_outfile_open(&s->target, s->path, s->opts->force, s->err);

    if (rc == MQ_OK && ends_with(s->path, ".gz"))
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
    struct save *save;
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

static mq_status make(struct save *s, const mq_maker *maker, mq_outfile *f, uint64_t at)
{
    struct file_sink sink = { { sink_write_at }, f, at, maker->n_bytes };
    struct relay relay = { .save = s };
    mq_status rc;

    relay.hooks = (mq_hooks){ &relay, relay_warn, relay_progress, relay_cancelled, s->hooks ? s->hooks->n_threads : 0 };
    rc = mq_check_cancelled(s->hooks, s->err);
    if (rc == MQ_OK)
        rc = maker->make(maker->user, &sink.base, &relay.hooks, s->err);
    s->done += maker->n_bytes;
    return rc;
}

static mq_status write_model_file(struct save *s)
{
    mq_write_plan *p = &s->plan;
    mq_outfile *f = s->scratch ? s->scratch : s->target;
    mq_status rc = mq_wire_pack(&p->msg->base, f, p->payloads, p->n_payloads, s->m->bufs.items, s->m->bufs.n, s->err);

    for (size_t i = 0; rc == MQ_OK && i < p->n_payloads; i++)
        rc = make(s, p->payloads[i].maker, f, p->payloads[i].at);
    return rc;
}

static mq_status copy_tensor(struct save *s, const mq_external_out *e, mq_outfile *f)
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

static mq_status write_data_files(struct save *s)
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

static void count_total(struct save *s)
{
    for (size_t i = 0; i < s->plan.n_payloads; i++)
        s->total += s->plan.payloads[i].n_bytes;
    for (size_t i = 0; i < s->plan.external.n; i++)
        s->total += s->plan.external.items[i].n_bytes;
}

static mq_status write_all(struct save *s, mq_saved *saved)
{
    mq_status rc;

    count_total(s);
    if ((rc = write_data_files(s)) != MQ_OK || (rc = write_model_file(s)) != MQ_OK)
        return rc;
    if (s->scratch)
        rc = mq_gzip_pack(s->target, mq_outfile_fd(s->scratch), mq_outfile_pos(s->scratch), s->hooks, s->err);
    if (rc == MQ_OK && saved) {
        saved->model_bytes = mq_outfile_pos(s->target);
        saved->data_bytes = 0;
        for (size_t i = 0; i < s->plan.files.n; i++)
            saved->data_bytes += mq_outfile_pos(s->data[i]);
    }
    return rc;
}

mq_status mq_model_save(mq_model *m, const char *path, const mq_save_opts *opts, const mq_hooks *hooks, mq_saved *saved,
                        mq_error *err)
{
    mq_save_opts defaults = mq_save_opts_default();
    struct save s = { .m = m, .path = path, .opts = opts ? opts : &defaults, .hooks = hooks, .err = err };
    mq_saved result = { 0 };
    mq_status rc = check_data_name(s.opts->external_file, err);

    if (rc == MQ_OK)
        rc = make_plan(&s);
    if (rc == MQ_OK)
        rc = open_outputs(&s);
    if (rc == MQ_OK)
        rc = write_all(&s, &result);
    if (rc == MQ_OK)
        rc = mq_check_cancelled(hooks, err);
    if (rc == MQ_OK) {
        rc = mq_outfile_commit_with(s.target, s.data, s.plan.files.n, s.opts->sync, err);
    } else {
        mq_outfile_abort(s.target);
        for (size_t i = 0; s.data && i < s.plan.files.n; i++)
            mq_outfile_abort(s.data[i]);
    }
    mq_outfile_abort(s.scratch);
    free(s.data);
    mq_arena_free(s.plan.arena);
    if (rc == MQ_OK && saved)
        *saved = result;
    return rc;
}
