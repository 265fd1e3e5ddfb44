/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a file says of itself: header, inputs and outputs, weights by type and size, external files. Reads no weight. */
#include <stdlib.h>
#include <string.h>

#include "api/inspect_parts.h"
#include "model/onnx_info.h"

enum { N_LARGEST = 5 };

static mq_status fill_opsets(mq_inspect_ctx *c, mq_error *err)
{
    const mq_model *m = c->model;
    mq_inspect_opset *list = mq_arena_calloc(c->arena, m->opsets.n, sizeof *list);

    if (!list)
        return mq_oom(err);
    for (size_t i = 0; i < m->opsets.n; i++) {
        const char *domain = mq_domain_norm(m->opsets.items[i].domain);
        list[i] = (mq_inspect_opset){ *domain ? domain : "ai.onnx", m->opsets.items[i].version };
    }
    c->out->opsets = list;
    c->out->n_opsets = m->opsets.n;
    return MQ_OK;
}

static mq_status fill_metadata(mq_inspect_ctx *c, mq_error *err)
{
    mq_inspect_pair *list;
    size_t n = mq_onnx_n_metadata(c->model);

    if (!(list = mq_arena_calloc(c->arena, n, sizeof *list)))
        return mq_oom(err);
    for (size_t i = 0; i < n; i++)
        mq_onnx_metadata(c->model, i, &list[i].key, &list[i].value);
    c->out->metadata = list;
    c->out->n_metadata = n;
    return MQ_OK;
}

/* "pytorch 2.1", without the blank when one half is missing. */
static const char *producer(mq_inspect_ctx *c)
{
    const char *name = c->model->producer_name ? c->model->producer_name : "";
    const char *version = c->model->producer_version ? c->model->producer_version : "";
    return mq_arena_printf(c->arena, "%s%s%s", name, *name && *version ? " " : "", version);
}

static mq_status fill_values(mq_inspect_ctx *c, const mq_value_vec *values, bool inputs, const mq_inspect_value **out,
                             size_t *n_out, mq_error *err)
{
    mq_inspect_value *list = mq_arena_calloc(c->arena, values->n, sizeof *list);
    size_t n = 0;
    mq_status rc = list ? MQ_OK : mq_oom(err);

    for (size_t i = 0; i < values->n && rc == MQ_OK; i++) {
        const mq_value *v = values->items[i];
        if (inputs && (v->init || v->sparse))
            c->out->n_optional_inputs++;
        else
            rc = mq_inspect_value_of(c, v, v->declared ? v->declared : v->type, &list[n++], err);
    }
    *out = list;
    *n_out = n;
    return rc;
}

mq_status mq_inspect_overview(mq_inspect_ctx *c, mq_error *err)
{
    mq_inspection *o = c->out;
    const mq_graph *g = c->model->graph;
    mq_status rc = MQ_OK;

    o->path = c->model->path ? c->model->path : "";
    o->file_bytes = c->model->file_bytes;
    o->ir_version = c->model->ir_version;
    o->graph_name = g->name ? g->name : "";
    o->nodes = c->census.n_nodes;
    o->subgraphs = c->census.n_subgraphs;
    o->functions = c->model->n_functions;
    if (!(o->producer = producer(c)))
        return mq_oom(err);
    MQ_TRY(fill_opsets(c, err));
    MQ_TRY(fill_metadata(c, err));
    MQ_TRY(fill_values(c, &g->inputs, true, &o->inputs, &o->n_inputs, err));
    MQ_TRY(fill_values(c, &g->outputs, false, &o->outputs, &o->n_outputs, err));
done:
    return rc;
}

/* ---- weights ------------------------------------------------------------------------------------------------------ */

static int by_bytes(const void *a, const void *b)
{
    const mq_inspect_type *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return strcmp(x->name, y->name);
}

static mq_status fill_types(mq_inspect_ctx *c, mq_error *err)
{
    mq_inspect_type *list = mq_arena_calloc(c->arena, MQ_N_DTYPES, sizeof *list);
    size_t n = 0;

    if (!list)
        return mq_oom(err);
    for (int t = 0; t < MQ_N_DTYPES; t++)
        if (c->census.by_type[t].tensors)
            list[n++] = (mq_inspect_type){ mq_dtype_name((mq_dtype)t), c->census.by_type[t].tensors,
                                           c->census.by_type[t].elements, c->census.by_type[t].bytes };
    qsort(list, n, sizeof *list, by_bytes);
    c->out->types = list;
    c->out->n_types = n;
    return MQ_OK;
}

/* The largest so far, largest first; ties keep the file's order. */
typedef struct largest {
    const mq_tensor *tensors[N_LARGEST];
    const char *names[N_LARGEST];
    size_t n;
} largest;

static mq_status keep_largest(void *user, mq_tensor *t, const char *name, mq_error *err)
{
    largest *l = user;
    size_t at = l->n;

    (void)err;
    while (at > 0 && mq_tensor_size(l->tensors[at - 1]) < mq_tensor_size(t))
        at--;
    if (at == N_LARGEST)
        return MQ_OK;
    for (size_t i = l->n < N_LARGEST ? l->n++ : N_LARGEST - 1; i > at; i--) {
        l->tensors[i] = l->tensors[i - 1];
        l->names[i] = l->names[i - 1];
    }
    l->tensors[at] = t;
    l->names[at] = name;
    return MQ_OK;
}

/* The node that uses a weight first, as text; "" when nobody does. */
static const char *user_of(mq_inspect_ctx *c, const char *name)
{
    const mq_value *v = mq_graph_find_here(c->model->graph, name);
    const char *node = v && v->uses.n ? mq_inspect_node_text(c, v->uses.items[0].node) : NULL;

    return v && v->uses.n && node ? mq_arena_printf(c->arena, "weight of %s", node) : "weight";
}

mq_status mq_inspect_weights(mq_inspect_ctx *c, mq_error *err)
{
    largest l = { .n = 0 };
    mq_inspect_tensor *list = mq_arena_calloc(c->arena, N_LARGEST, sizeof *list);
    mq_status rc = list ? MQ_OK : mq_oom(err);

    c->out->parameters = c->census.parameters;
    c->out->weight_bytes = c->census.bytes;
    MQ_TRY(rc);
    MQ_TRY(fill_types(c, err));
    MQ_TRY(mq_model_each_tensor(c->model, keep_largest, &l, err));
    for (size_t i = 0; i < l.n; i++) {
        const mq_tensor *t = l.tensors[i];
        int64_t n = mq_tensor_count(t), bytes = mq_tensor_size(t);
        list[i] = (mq_inspect_tensor){ .name = l.names[i], .type = mq_dtype_name(t->dtype),
                                       .shape = mq_inspect_dims_text(c, t->dims, t->n_dims), .place = user_of(c, l.names[i]),
                                       .elements = n < 0 ? 0 : (uint64_t)n, .bytes = bytes < 0 ? 0 : (uint64_t)bytes,
                                       .is_weight = true, .why = "", .structure = "" };
        if (!list[i].shape || !list[i].place)
            MQ_TRY(mq_oom(err));
    }
    c->out->largest = list;
    c->out->n_largest = l.n;
done:
    return rc;
}

/* ---- external files ----------------------------------------------------------------------------------------------- */

typedef struct file_list {
    mq_inspect_ctx *c;
    MQ_VEC(mq_inspect_file) files;
    mq_map index; /* location -> place in files, plus one */
} file_list;

static mq_status note_file(void *user, mq_tensor *t, const char *name, mq_error *err)
{
    file_list *l = user;
    mq_model *m = l->c->model;
    mq_inspect_file f = { .location = t->external.location, .tensors = 1, .why = "" };
    mq_buf *buf = NULL;
    mq_error why = { 0 };
    size_t at;

    (void)name;
    if (t->storage != MQ_STORE_EXTERNAL || !t->external.location)
        return MQ_OK;
    if ((at = (size_t)mq_map_get(&l->index, f.location))) {
        l->files.items[at - 1].tensors++;
        return MQ_OK;
    }
    if (!m->open_external || m->open_external(m, f.location, &buf, &why) != MQ_OK) {
        f.missing = true;
        f.why = mq_arena_strdup(l->c->arena, why.text);
        mq_warn(l->c->hooks, "external-missing", f.location, "%s", why.text);
    } else {
        f.bytes = buf->size;
    }
    if (!f.why || !mq_vec_push_in(l->c->arena, &l->files, f) || !mq_map_put(&l->index, f.location, (void *)l->files.n))
        return mq_oom(err);
    return MQ_OK;
}

mq_status mq_inspect_files(mq_inspect_ctx *c, mq_error *err)
{
    file_list l = { .c = c };
    mq_status rc = mq_model_each_tensor(c->model, note_file, &l, err);

    mq_map_release(&l.index);
    for (size_t i = 0; i < l.files.n; i++)
        c->out->data_bytes += l.files.items[i].bytes;
    c->out->files = l.files.items;
    c->out->n_files = l.files.n;
    return rc;
}
