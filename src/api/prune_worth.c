/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What pruning buys: bytes as they are, compressed and in coordinate form, multiply-accumulates; and in plain words when it
 * buys nothing. */
#include <string.h>

#include "api/prune_job.h"
#include "base/str.h"
#include "base/threads.h"
#include "model/gzip.h"
#include "model/sparse.h"
#include "report/report.h"

/* Larger files are compressed for a report only: it would take a good part of the time. */
#define UNASKED_BYTES ((uint64_t)4 << 20)

/* Less of a difference is none. */
#define LEAST_GAIN 0.01

static bool less(uint64_t a, uint64_t b)
{
    return (double)a < (1 - LEAST_GAIN) * (double)b;
}

mq_status mq_prune_worth_begin(mq_prune_job *j)
{
    const char *only = j->plan.kind == MQ_PRUNE_GROUPS ? "; of N:M only hardware with sparse tensor cores makes use" : "";
    const mq_prune_opts *o = j->opts;
    mq_measured cost;
    mq_str text = { 0 };
    mq_status rc;

    if ((rc = mq_judging_count(j->job.model, &cost, j->job.err)) != MQ_OK)
        return rc;
    j->worth.macs_before = (int64_t)cost.macs; /* of nodes whose sizes are known: the same ones before and after */
    if (!o->note || (mq_prune_is_structured(o) && !o->zero_only) || mq_ends_with(j->job.output, ".gz") || o->sparse)
        return MQ_OK;
    mq_str_addf(&text, "the file will be neither smaller nor faster: zeros are stored and multiplied like other numbers%s "
                "(smaller: -o NAME.onnx.gz, --storage sparse; smaller and faster: %s)", only,
                o->zero_only ? "without --zero-only" : "--pattern channel");
    if (!text.failed)
        o->note(o->user, text.s);
    mq_str_release(&text);
    return text.failed ? mq_oom(j->job.err) : MQ_OK;
}

/* ---- coordinate form ------------------------------------------------------------------------------------------------ */

static const mq_sparse_choice *choice_of(const mq_sparse_choices *list, const mq_value *v)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].value == v)
            return &list->items[i];
    return NULL;
}

mq_status mq_prune_store(mq_prune_job *j)
{
    mq_sparse_choices list = { 0 };
    mq_status rc = MQ_OK;

    if (!j->opts->sparse)
        return MQ_OK;
    MQ_TRY(mq_model_make_sparse(j->job.model, &list, j->job.hooks, j->job.err));
    for (size_t i = 0; i < j->plan.items.n; i++) {
        const mq_prune_item *it = j->plan.items.items[i];
        const mq_sparse_choice *c = it->stay ? NULL : choice_of(&list, it->constant);

        if (c && c->why)
            mq_warn(j->job.hooks, "storage-dense", it->constant->name,
                    "weight '%s' is stored densely: %s (%.1f %% are zero; a place takes 8 bytes)", it->constant->name,
                    c->why, c->elements ? 100 * (1 - (double)c->nonzero / (double)c->elements) : 0);
    }
done:
    mq_vec_release(&list);
    return rc;
}

/* ---- the report ----------------------------------------------------------------------------------------------------- */

static void add_macs(mq_str *s, const mq_prune_worth *w)
{
    if (less((uint64_t)w->macs, (uint64_t)w->macs_before))
        mq_str_addf(s, "%.1f %% fewer multiply-accumulates", 100 * (1 - (double)w->macs / (double)w->macs_before));
    else
        mq_str_add(s, "fewer multiply-accumulates (their number depends on sizes that are not known)");
}

static void add_advice(mq_str *s, const mq_prune_worth *w)
{
    mq_str_add(s, ": zeros are stored and multiplied like other numbers; -o NAME.onnx.gz makes the file smaller");
    if (less(w->sparse_bytes, w->dense_bytes)) {
        mq_str_add(s, ", --storage sparse, too (by ");
        mq_str_add_bytes(s, w->dense_bytes - w->sparse_bytes);
        mq_str_add(s, ")");
    }
    mq_str_add(s, ", --pattern channel smaller and faster");
}

/* What was gained, in a sentence. */
static void describe(mq_str *s, const mq_prune_worth *w, bool groups)
{
    if (w->faster) {
        add_macs(s, w);
        mq_str_add(s, w->smaller ? ", and a smaller file" : ", in a file of the same size");
    } else if (w->smaller) {
        mq_str_add(s, "only the file is smaller: once loaded it takes as much memory and time as before");
    } else {
        mq_str_add(s, "neither smaller nor faster");
        add_advice(s, w);
        if (groups)
            mq_str_add(s, "; N:M is for hardware with sparse tensor cores");
    }
}

static void put_worth(mq_prune_job *j, json_t *to)
{
    mq_report *r = j->job.report;
    const mq_prune_worth *w = &j->worth;
    mq_str text = { 0 };

    mq_report_put_int(r, to, "dense_bytes", (int64_t)w->dense_bytes);
    mq_report_put_int(r, to, "sparse_bytes", (int64_t)w->sparse_bytes);
    if (w->gzip) {
        mq_report_put_int(r, to, "gzip_bytes_before", (int64_t)w->gzip_before);
        mq_report_put_int(r, to, "gzip_bytes", (int64_t)w->gzip);
    }
    mq_report_put_int(r, to, "macs_before", w->macs_before);
    mq_report_put_int(r, to, "macs", w->macs);
    mq_report_put_bool(r, to, "smaller", w->smaller);
    mq_report_put_bool(r, to, "faster", w->faster);
    describe(&text, w, j->plan.kind == MQ_PRUNE_GROUPS);
    mq_report_put_text(r, to, "text", text.failed ? NULL : text.s);
    mq_str_release(&text);
}

mq_status mq_prune_worth_tell(mq_prune_job *j)
{
    const uint64_t before = j->job.bytes_before + j->job.data_before;
    mq_prune_worth *w = &j->worth;
    mq_measured cost;
    mq_status rc = mq_judging_count(j->job.model, &cost, j->job.err);

    if (rc != MQ_OK)
        return rc;
    w->macs = (int64_t)cost.macs;
    w->smaller = less(j->job.after.model_bytes + j->job.after.data_bytes, before);
    w->faster = less((uint64_t)w->macs, (uint64_t)w->macs_before) ||
                (cost.macs_unknown && mq_prune_is_structured(j->opts) && !j->opts->zero_only);
    w->section = mq_report_object(j->job.report, mq_report_section(j->job.report, "prune"), "worth");
    put_worth(j, w->section);
    return MQ_OK;
}

void mq_prune_worth_add(mq_prune_job *j, json_t *to, mq_dtype type, uint64_t elements, uint64_t zeros, bool stored_sparse)
{
    const int bits = mq_dtype_bits(type);
    const uint64_t dense = elements * (uint64_t)bits / 8, sparse = mq_sparse_bytes(bits, elements - zeros);
    mq_report *r = j->job.report;

    j->worth.dense_bytes += dense;
    j->worth.sparse_bytes += sparse < dense ? sparse : dense;
    mq_report_put_int(r, to, "bytes", (int64_t)dense);
    mq_report_put_int(r, to, "sparse_bytes", (int64_t)sparse);
    mq_report_put_text(r, to, "stored", stored_sparse ? "sparse" : "dense");
}

static mq_status estimate(const mq_prune_job *j, const mq_model *m, uint64_t *packed)
{
    const int n_threads = mq_threads(j->job.hooks ? j->job.hooks->n_threads : 0);
    mq_status rc = MQ_OK;

    *packed = 0;
    for (size_t i = 0; i < m->bufs.n && rc == MQ_OK; i++) {
        uint64_t part = 0;

        if (m->bufs.items[i]->fd >= 0)
            rc = mq_gzip_estimate(m->bufs.items[i]->data, m->bufs.items[i]->size, n_threads, &part, j->job.err);
        *packed += part;
    }
    return rc;
}

mq_status mq_prune_look(void *user, const mq_model *written)
{
    mq_prune_job *j = user;
    mq_status rc = MQ_OK;

    if (!j->opts->hash && j->job.after.model_bytes + j->job.after.data_bytes > UNASKED_BYTES)
        return MQ_OK;
    MQ_TRY(estimate(j, j->job.model, &j->worth.gzip_before));
    MQ_TRY(estimate(j, written, &j->worth.gzip));
    if (j->worth.section)
        put_worth(j, j->worth.section);
done:
    return rc;
}
