/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* ONNX Runtime as the reference: which of its outputs are compared, and what it says when it fails. */
#include "api/against_peer.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* What ONNX Runtime says of the model is what was asked for, and no failure. */
static mq_status settle(mq_peer_side *s, mq_status rc, const mq_error *why, mq_error *err)
{
    if (rc == MQ_ERR_INPUT)
        return (s->refused = strdup(why->text)) ? MQ_OK : mq_oom(err);
    if (rc != MQ_OK && err)
        *err = *why;
    return rc;
}

mq_status mq_peer_side_open(mq_peer_side *s, const mq_model *m, const char *const *names, size_t n, int threads,
                            mq_error *err)
{
    const mq_value_vec *outs = &m->graph->outputs;
    mq_error why = { 0 };

    *s = (mq_peer_side){ .n = n, .n_all = outs->n };
    s->which = calloc(n + 1, sizeof *s->which);
    s->out = calloc(n + 1, sizeof *s->out);
    if (!s->which || !s->out)
        return mq_oom(err);
    for (size_t i = 0; i < n; i++) {
        while (s->which[i] < outs->n && strcmp(outs->items[s->which[i]]->name, names[i]) != 0)
            s->which[i]++;
        if (s->which[i] == outs->n)
            return mq_fail(err, MQ_ERR_USAGE, "--with-onnxruntime compares the model's outputs: '%s' is none", names[i]);
    }
    return settle(s, mq_peer_start(&s->peer, m->path ? m->path : "-", threads, &why), &why, err);
}

static void drop(mq_peer_side *s)
{
    for (size_t i = 0; s->out && i < s->n; i++) {
        mq_array_unref(s->out[i]);
        s->out[i] = NULL;
    }
}

mq_status mq_peer_side_run(mq_peer_side *s, const mq_value *const *inputs, mq_array *const *in, size_t n_in, mq_error *err)
{
    mq_array **all = calloc(s->n_all + 1, sizeof *all);
    mq_error why = { 0 };
    mq_status rc = all ? mq_peer_hold(s->peer, inputs, in, n_in, &why) : mq_oom(&why);

    drop(s);
    if (rc == MQ_OK)
        rc = mq_peer_run(s->peer, 0, all, s->n_all, &why);
    if (rc == MQ_OK)
        rc = mq_peer_drop(s->peer, &why);
    for (size_t i = 0; all && i < s->n; i++)
        s->out[i] = all[s->which[i]] ? mq_array_ref(all[s->which[i]]) : NULL;
    for (size_t i = 0; all && i < s->n_all; i++)
        mq_array_unref(all[i]);
    free(all);
    return settle(s, rc, &why, err);
}

void mq_peer_side_close(mq_peer_side *s)
{
    drop(s);
    mq_peer_stop(s->peer);
    free(s->which);
    free(s->out);
    free(s->refused);
    *s = (mq_peer_side){ 0 };
}
