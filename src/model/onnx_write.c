/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Every message is a shallow copy of its origin (unknown fields, documentation and metadata come along), in which the parts
 * that the graph in memory owns are set anew. What was not touched is shared with the origin. */
#include "model/onnx_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A copy of a message of that type, or a fresh one when there is no origin. */
#define COPY_MSG(plan, type, init, org) copy_msg((plan)->arena, (org), &(const type)init, sizeof(type))

static void *copy_msg(mq_arena *a, const void *origin, const void *fresh, size_t size)
{
    return mq_arena_memdup(a, origin ? origin : fresh, size);
}

static char *copy_text(const mq_write_plan *p, const char *s)
{
    return mq_arena_strdup(p->arena, s);
}

/* ---- types and declarations --------------------------------------------------------------------------------------- */

static mq_status write_shape(const mq_write_plan *p, const mq_type *t, Onnx__TensorShapeProto **out, mq_error *err)
{
    Onnx__TensorShapeProto *s;

    *out = NULL;
    if (t->rank < 0)
        return MQ_OK;
    s = COPY_MSG(p, Onnx__TensorShapeProto, ONNX__TENSOR_SHAPE_PROTO__INIT, NULL);
    if (!s || !(s->dim = mq_arena_calloc(p->arena, (size_t)t->rank, sizeof *s->dim)))
        return mq_oom(err);
    s->n_dim = (size_t)t->rank;
    for (int i = 0; i < t->rank; i++) {
        Onnx__TensorShapeProto__Dimension *d =
            COPY_MSG(p, Onnx__TensorShapeProto__Dimension, ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT, NULL);
        if (!d)
            return mq_oom(err);
        if (mq_dim_known(t->dims[i])) {
            d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            d->dim_value = t->dims[i].value;
        } else if (t->dims[i].symbol) {
            d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            d->dim_param = copy_text(p, t->dims[i].symbol);
        }
        s->dim[i] = d;
    }
    *out = s;
    return MQ_OK;
}

static mq_status write_type(const mq_write_plan *p, const mq_type *t, Onnx__TypeProto **out, mq_error *err)
{
    Onnx__TypeProto *msg = COPY_MSG(p, Onnx__TypeProto, ONNX__TYPE_PROTO__INIT, NULL);
    Onnx__TypeProto__Tensor *tensor = COPY_MSG(p, Onnx__TypeProto__Tensor, ONNX__TYPE_PROTO__TENSOR__INIT, NULL);
    Onnx__TypeProto__Sequence *seq = COPY_MSG(p, Onnx__TypeProto__Sequence, ONNX__TYPE_PROTO__SEQUENCE__INIT, NULL);

    if (!msg || !tensor || !seq)
        return mq_oom(err);
    *out = msg;
    switch (t->kind) {
    case MQ_TYPE_TENSOR:
        msg->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
        msg->tensor_type = tensor;
        tensor->has_elem_type = 1;
        tensor->elem_type = (int32_t)t->dtype;
        return write_shape(p, t, &tensor->shape, err);
    case MQ_TYPE_SEQUENCE:
        msg->value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
        msg->sequence_type = seq;
        return t->elem ? write_type(p, t->elem, &seq->elem_type, err) : MQ_OK;
    default: /* only tensors and sequences are ever declared by rewrites; the others keep their origin */
        return MQ_OK;
    }
}

/* The declaration of v: its own message under its present name, or a new one. */
static mq_status write_info(const mq_write_plan *p, const mq_value *v, Onnx__ValueInfoProto **out, mq_error *err)
{
    Onnx__ValueInfoProto *msg = COPY_MSG(p, Onnx__ValueInfoProto, ONNX__VALUE_INFO_PROTO__INIT, v->origin);
    const mq_type *t = v->declared ? v->declared : v->type;

    if (!msg || !(msg->name = copy_text(p, v->name)))
        return mq_oom(err);
    *out = msg;
    if ((!v->origin || v->redeclared) && t)
        return write_type(p, t, &msg->type, err);
    return MQ_OK;
}

/* The list of declarations. One that was read for the same name is kept as it is: an input that is also an output has
 * two, which may differ. */
static mq_status write_infos(const mq_write_plan *p, const mq_value_vec *values, Onnx__ValueInfoProto *const *origin,
                             size_t n_origin, Onnx__ValueInfoProto ***out, size_t *n_out, mq_error *err)
{
    Onnx__ValueInfoProto **list = mq_arena_calloc(p->arena, values->n, sizeof *list);
    size_t from = 0;
    mq_status rc = MQ_OK;

    if (!list)
        return mq_oom(err);
    for (size_t i = 0; rc == MQ_OK && i < values->n; i++) {
        const mq_value *v = values->items[i];
        size_t at = from;
        while (at < n_origin && (!origin[at]->name || strcmp(origin[at]->name, v->name) != 0))
            at++;
        if (at < n_origin && !v->redeclared) {
            list[i] = origin[at];
            from = at + 1;
        } else {
            rc = write_info(p, v, &list[i], err);
        }
    }
    *out = list;
    *n_out = values->n;
    return rc;
}

/* ---- tensors ------------------------------------------------------------------------------------------------------ */

static uint64_t align_to(uint64_t at, uint64_t n_bytes)
{
    uint64_t to = n_bytes >= 65536 ? 4096 : 64;
    return (at + to - 1) / to * to;
}

/* The data file for the next tensor: the common one, or one of its own named after it. */
static mq_status choose_file(mq_write_plan *p, const mq_tensor *t, size_t *file, mq_error *err)
{
    bool own = p->opts->external == MQ_EXTERNAL_PER_TENSOR;
    char *name;

    if (!own && p->files.n) {
        *file = 0;
        return MQ_OK;
    }
    if (own)
        name = mq_arena_printf(p->arena, "%s.%zu.%.100s.data", p->base_name, p->files.n, t->name);
    else if (p->opts->external_file)
        name = copy_text(p, p->opts->external_file);
    else
        name = mq_arena_printf(p->arena, "%s.data", p->base_name);
    for (char *c = name ? name + (own ? strlen(p->base_name) : 0) : NULL; own && c && *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *c))
            *c = '_';
    if (!name || !mq_vec_push_in(p->arena, &p->files, name) || !mq_vec_push_in(p->arena, &p->file_sizes, 0))
        return mq_oom(err);
    *file = p->files.n - 1;
    return MQ_OK;
}

static mq_status add_entry(const mq_write_plan *p, Onnx__TensorProto *msg, const char *key, char *value, mq_error *err)
{
    Onnx__StringStringEntryProto *e =
        COPY_MSG(p, Onnx__StringStringEntryProto, ONNX__STRING_STRING_ENTRY_PROTO__INIT, NULL);

    if (!e || !value || !(e->key = copy_text(p, key)))
        return mq_oom(err);
    e->value = value;
    msg->external_data[msg->n_external_data++] = e;
    return MQ_OK;
}

static void clear_data(Onnx__TensorProto *msg)
{
    msg->has_raw_data = 0;
    msg->raw_data = (ProtobufCBinaryData){ 0, NULL };
    msg->n_float_data = msg->n_int32_data = msg->n_int64_data = 0;
    msg->n_double_data = msg->n_uint64_data = msg->n_string_data = 0;
    msg->has_data_location = 0;
    msg->n_external_data = 0;
}

static mq_status write_external(mq_write_plan *p, mq_tensor *t, uint64_t n_bytes, Onnx__TensorProto *msg, mq_error *err)
{
    mq_external_out e = { .tensor = t, .n_bytes = n_bytes };
    mq_status rc = choose_file(p, t, &e.file, err);

    if (rc != MQ_OK)
        return rc;
    e.offset = align_to(p->file_sizes.items[e.file], n_bytes);
    p->file_sizes.items[e.file] = e.offset + n_bytes;
    clear_data(msg);
    msg->has_data_location = 1;
    msg->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    if (!(msg->external_data = mq_arena_calloc(p->arena, 3, sizeof *msg->external_data)) ||
        !mq_vec_push_in(p->arena, &p->external, e))
        return mq_oom(err);
    MQ_TRY(add_entry(p, msg, "location", copy_text(p, p->files.items[e.file]), err));
    MQ_TRY(add_entry(p, msg, "offset", mq_arena_printf(p->arena, "%" PRIu64, e.offset), err));
    MQ_TRY(add_entry(p, msg, "length", mq_arena_printf(p->arena, "%" PRIu64, n_bytes), err));
done:
    return rc;
}

/* Should this tensor lie outside the model file? */
static bool goes_out(const mq_write_plan *p, const mq_tensor *t, bool is_init, int64_t n_bytes)
{
    bool large = n_bytes >= 0 && (uint64_t)n_bytes >= p->opts->external_threshold;

    if (t->dtype == MQ_STRING || n_bytes < 0 || p->opts->external == MQ_EXTERNAL_NONE)
        return false;
    if (p->everything_out)
        return large || t->storage == MQ_STORE_EXTERNAL;
    if (p->opts->external == MQ_EXTERNAL_AUTO)
        return t->storage == MQ_STORE_EXTERNAL ||
               (is_init && large && p->keeps_external && (!t->origin || t->storage == MQ_STORE_MADE));
    return large && is_init;
}

/* Puts the bytes into the message: a token for those made later, a pointer for the others. */
static mq_status write_inside(mq_write_plan *p, mq_tensor *t, int64_t n_bytes, Onnx__TensorProto *msg, mq_error *err)
{
    const void *data = NULL;
    mq_payload *payload;
    mq_status rc;

    if (t->origin && t->storage != MQ_STORE_EXTERNAL && t->storage != MQ_STORE_MADE)
        return MQ_OK; /* as it was read */
    clear_data(msg);
    msg->has_raw_data = 1;
    if (t->storage == MQ_STORE_MADE) {
        if (p->n_payloads == p->max_payloads)
            MQ_BUG("more made tensors than counted");
        payload = &p->payloads[p->n_payloads++];
        payload->maker = t->maker;
        payload->n_bytes = t->maker->n_bytes;
        msg->raw_data = (ProtobufCBinaryData){ t->maker->n_bytes, (uint8_t *)payload };
        return MQ_OK;
    }
    if ((rc = mq_tensor_bytes(t, &data, err)) == MQ_OK)
        msg->raw_data = (ProtobufCBinaryData){ (size_t)n_bytes, (uint8_t *)data };
    return rc;
}

/* The tensor's message under that name, without its bytes. */
static mq_status start_tensor(mq_write_plan *p, mq_tensor *t, const char *name, Onnx__TensorProto **out, mq_error *err)
{
    Onnx__TensorProto *msg = COPY_MSG(p, Onnx__TensorProto, ONNX__TENSOR_PROTO__INIT, t->origin);

    if (!msg)
        return mq_oom(err);
    *out = msg;
    if (strcmp(msg->name ? msg->name : "", name) != 0 && !(msg->name = copy_text(p, name)))
        return mq_oom(err);
    if (!t->origin) {
        msg->n_dims = (size_t)t->n_dims;
        msg->dims = t->dims;
        msg->has_data_type = 1;
        msg->data_type = (int32_t)t->dtype;
    }
    return MQ_OK;
}

mq_status mq_onnx_write_tensor(mq_write_plan *p, mq_tensor *t, bool is_init, Onnx__TensorProto **out, mq_error *err)
{
    const int64_t n_bytes = mq_tensor_size(t);
    mq_status rc = start_tensor(p, t, t->name, out, err);

    if (rc != MQ_OK)
        return rc;
    if (goes_out(p, t, is_init, n_bytes))
        return write_external(p, t, (uint64_t)n_bytes, *out, err);
    return write_inside(p, t, n_bytes, *out, err);
}

static mq_status write_part(mq_write_plan *p, mq_tensor *t, const char *name, Onnx__TensorProto **out, mq_error *err)
{
    const mq_status rc = start_tensor(p, t, name, out, err);
    return rc == MQ_OK ? write_inside(p, t, mq_tensor_size(t), *out, err) : rc;
}

/* Values and indices stay inside the model file: readers look at them before they look for other files. What a broken
 * one lacks it goes on lacking. */
static mq_status write_sparse(mq_write_plan *p, const mq_value *v, Onnx__SparseTensorProto **out, mq_error *err)
{
    const mq_sparse *s = v->sparse;
    Onnx__SparseTensorProto *msg = COPY_MSG(p, Onnx__SparseTensorProto, ONNX__SPARSE_TENSOR_PROTO__INIT, s->origin);
    mq_status rc = MQ_OK;

    if (!msg)
        return mq_oom(err);
    *out = msg;
    msg->n_dims = (size_t)s->n_dims;
    msg->dims = s->dims;
    if (!s->origin || msg->values)
        MQ_TRY(write_part(p, s->values, v->name, &msg->values, err));
    if (!s->origin || msg->indices)
        MQ_TRY(write_part(p, s->indices, s->indices->name, &msg->indices, err));
done:
    return rc;
}

/* ---- attributes and nodes ----------------------------------------------------------------------------------------- */

static mq_status write_graph(mq_write_plan *p, mq_graph *g, Onnx__GraphProto **out, mq_error *err);

static mq_status write_new_attr(const mq_write_plan *p, const mq_attr *a, Onnx__AttributeProto *msg, mq_error *err)
{
    if (!(msg->name = copy_text(p, a->name)))
        return mq_oom(err);
    msg->has_type = 1;
    msg->type = (Onnx__AttributeProto__AttributeType)a->type;
    if (a->ref) {
        msg->ref_attr_name = copy_text(p, a->ref);
        return msg->ref_attr_name ? MQ_OK : mq_oom(err);
    }
    switch (a->type) {
    case MQ_ATTR_FLOAT: msg->has_f = 1, msg->f = a->f; break;
    case MQ_ATTR_INT: msg->has_i = 1, msg->i = a->i; break;
    case MQ_ATTR_STRING: msg->has_s = 1, msg->s = (ProtobufCBinaryData){ a->s.n, (uint8_t *)a->s.data }; break;
    case MQ_ATTR_INTS: msg->n_ints = a->n, msg->ints = (int64_t *)a->ints; break;
    case MQ_ATTR_FLOATS: msg->n_floats = a->n, msg->floats = (float *)a->floats; break;
    case MQ_ATTR_TENSOR:
    case MQ_ATTR_GRAPH: break; /* set by the caller */
    default: MQ_BUG("an attribute of a type that rewrites do not make");
    }
    return MQ_OK;
}

static mq_status write_attr_graphs(mq_write_plan *p, const mq_attr *a, Onnx__AttributeProto *msg, mq_error *err)
{
    Onnx__GraphProto **list = mq_arena_calloc(p->arena, a->n, sizeof *list);
    mq_status rc = list ? MQ_OK : mq_oom(err);

    for (size_t i = 0; rc == MQ_OK && i < a->n; i++)
        rc = write_graph(p, a->graphs[i], &list[i], err);
    if (a->type == MQ_ATTR_GRAPH && a->n)
        msg->g = list ? list[0] : NULL;
    else if (a->type == MQ_ATTR_GRAPHS)
        msg->graphs = list;
    return rc;
}

static mq_status write_attr(mq_write_plan *p, mq_attr *a, Onnx__AttributeProto **out, mq_error *err)
{
    const Onnx__AttributeProto *origin = a->origin;
    /* the function's name for it was another than the node's that it stands in now */
    const bool renamed = origin && strcmp(origin->name ? origin->name : "", a->name) != 0;
    Onnx__AttributeProto *msg;
    mq_status rc = MQ_OK;

    if (origin && !renamed && !a->graphs && a->type != MQ_ATTR_TENSOR) {
        *out = (Onnx__AttributeProto *)a->origin;
        return MQ_OK;
    }
    if (!(msg = COPY_MSG(p, Onnx__AttributeProto, ONNX__ATTRIBUTE_PROTO__INIT, a->origin)))
        return mq_oom(err);
    *out = msg;
    if (renamed && !(msg->name = copy_text(p, a->name)))
        return mq_oom(err);
    if (!a->origin)
        rc = write_new_attr(p, a, msg, err);
    if (rc == MQ_OK && a->graphs)
        rc = write_attr_graphs(p, a, msg, err);
    if (rc == MQ_OK && a->type == MQ_ATTR_TENSOR && a->n)
        rc = mq_onnx_write_tensor(p, a->tensors[0], false, &msg->t, err);
    return rc;
}

/* Names of values; "" for absent ones. */
static mq_status write_names(const mq_write_plan *p, mq_value *const *values, size_t n, char ***out, size_t *n_out,
                             mq_error *err)
{
    char **list = mq_arena_calloc(p->arena, n, sizeof *list);

    if (!list)
        return mq_oom(err);
    for (size_t i = 0; i < n; i++)
        list[i] = values[i] ? (char *)values[i]->name : (char *)"";
    *out = list;
    *n_out = n;
    return MQ_OK;
}

/* An optional text field: kept absent when it was and is empty. */
static void set_text(char **field, const char *s)
{
    if (strcmp(*field ? *field : "", s) != 0)
        *field = (char *)s;
}

static mq_status write_node(mq_write_plan *p, const mq_node *n, Onnx__NodeProto **out, mq_error *err)
{
    Onnx__NodeProto *msg = COPY_MSG(p, Onnx__NodeProto, ONNX__NODE_PROTO__INIT, n->origin);
    mq_status rc = MQ_OK;

    if (!msg || !(msg->attribute = mq_arena_calloc(p->arena, n->n_attrs, sizeof *msg->attribute)))
        return mq_oom(err);
    *out = msg;
    set_text(&msg->name, n->name);
    set_text(&msg->op_type, n->op_type);
    set_text(&msg->domain, n->domain);
    set_text(&msg->overload, n->overload);
    MQ_TRY(write_names(p, n->inputs, n->n_inputs, &msg->input, &msg->n_input, err));
    MQ_TRY(write_names(p, n->outputs, n->n_outputs, &msg->output, &msg->n_output, err));
    msg->n_attribute = n->n_attrs;
    for (size_t i = 0; i < n->n_attrs; i++)
        MQ_TRY(write_attr(p, n->attrs[i], &msg->attribute[i], err));
done:
    return rc;
}

static mq_status write_nodes(mq_write_plan *p, const mq_graph *g, Onnx__NodeProto ***out, size_t *n_out, mq_error *err)
{
    Onnx__NodeProto **list = mq_arena_calloc(p->arena, g->n_nodes, sizeof *list);
    mq_status rc = list ? MQ_OK : mq_oom(err);
    size_t i = 0;

    for (const mq_node *n = g->first; n && rc == MQ_OK; n = n->next)
        rc = write_node(p, n, &list[i++], err);
    *out = list;
    *n_out = g->n_nodes;
    return rc;
}

/* ---- graphs, functions, model ------------------------------------------------------------------------------------- */

static mq_status write_inits(mq_write_plan *p, mq_graph *g, Onnx__GraphProto *msg, mq_error *err)
{
    size_t n_dense = 0, n_sparse = 0;
    mq_status rc = MQ_OK;

    if (!(msg->initializer = mq_arena_calloc(p->arena, g->inits.n, sizeof *msg->initializer)) ||
        !(msg->sparse_initializer = mq_arena_calloc(p->arena, g->inits.n, sizeof *msg->sparse_initializer)))
        return mq_oom(err);
    for (size_t i = 0; rc == MQ_OK && i < g->inits.n; i++) {
        mq_value *v = g->inits.items[i];
        if (v->init)
            rc = mq_onnx_write_tensor(p, v->init, true, &msg->initializer[n_dense++], err);
        else
            rc = write_sparse(p, v, &msg->sparse_initializer[n_sparse++], err);
    }
    msg->n_initializer = n_dense;
    msg->n_sparse_initializer = n_sparse;
    return rc;
}

static mq_status write_graph(mq_write_plan *p, mq_graph *g, Onnx__GraphProto **out, mq_error *err)
{
    const Onnx__GraphProto *org = g->origin;
    Onnx__GraphProto *msg = COPY_MSG(p, Onnx__GraphProto, ONNX__GRAPH_PROTO__INIT, org), none = ONNX__GRAPH_PROTO__INIT;
    mq_status rc = MQ_OK;

    if (!msg)
        return mq_oom(err);
    if (!org)
        org = &none;
    *out = msg;
    set_text(&msg->name, g->name);
    MQ_TRY(write_nodes(p, g, &msg->node, &msg->n_node, err));
    MQ_TRY(write_inits(p, g, msg, err));
    MQ_TRY(write_infos(p, &g->inputs, org->input, org->n_input, &msg->input, &msg->n_input, err));
    MQ_TRY(write_infos(p, &g->outputs, org->output, org->n_output, &msg->output, &msg->n_output, err));
    MQ_TRY(write_infos(p, &g->value_info, org->value_info, org->n_value_info, &msg->value_info, &msg->n_value_info, err));
done:
    return rc;
}

static mq_status write_opsets(const mq_write_plan *p, const mq_opset_vec *opsets, Onnx__OperatorSetIdProto ***out,
                              size_t *n_out, mq_error *err)
{
    Onnx__OperatorSetIdProto **list = mq_arena_calloc(p->arena, opsets->n, sizeof *list);

    if (!list)
        return mq_oom(err);
    for (size_t i = 0; i < opsets->n; i++) {
        const mq_opset *o = &opsets->items[i];
        list[i] = COPY_MSG(p, Onnx__OperatorSetIdProto, ONNX__OPERATOR_SET_ID_PROTO__INIT, o->origin);
        if (!list[i])
            return mq_oom(err);
        set_text(&list[i]->domain, o->domain);
        if (!o->origin || list[i]->version != o->version) {
            list[i]->has_version = 1;
            list[i]->version = o->version;
        }
    }
    *out = list;
    *n_out = opsets->n;
    return MQ_OK;
}

static mq_status write_function(mq_write_plan *p, const mq_function *f, Onnx__FunctionProto **out, mq_error *err)
{
    const Onnx__FunctionProto *org = f->origin;
    Onnx__FunctionProto *msg = COPY_MSG(p, Onnx__FunctionProto, ONNX__FUNCTION_PROTO__INIT, org);
    mq_status rc = MQ_OK;

    if (!msg)
        return mq_oom(err);
    *out = msg;
    MQ_TRY(write_nodes(p, f->body, &msg->node, &msg->n_node, err));
    MQ_TRY(write_opsets(p, &f->opsets, &msg->opset_import, &msg->n_opset_import, err));
    MQ_TRY(write_infos(p, &f->body->value_info, msg->value_info, msg->n_value_info, &msg->value_info, &msg->n_value_info,
                       err));
done:
    return rc;
}

static bool is_made(const mq_tensor *t)
{
    return t->storage == MQ_STORE_MADE;
}

/* An upper bound of the tensors that are made while the file is written. */
static size_t count_made(const mq_model *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->graphs.n; i++) {
        const mq_graph *g = m->graphs.items[i];
        for (size_t k = 0; k < g->inits.n; k++) {
            const mq_value *v = g->inits.items[k];
            n += v->init ? is_made(v->init) : (size_t)is_made(v->sparse->values) + is_made(v->sparse->indices);
        }
        for (const mq_node *node = g->first; node; node = node->next)
            for (size_t a = 0; a < node->n_attrs; a++)
                n += node->attrs[a]->type == MQ_ATTR_TENSOR && node->attrs[a]->n && is_made(node->attrs[a]->tensors[0]);
    }
    return n;
}

static bool is_set(const mq_model *m, const char *key)
{
    for (size_t i = 0; i < m->metadata.n; i++)
        if (strcmp(m->metadata.items[i].key, key ? key : "") == 0)
            return true;
    return false;
}

/* The file's entries, but for those that have been set since; then these. */
static mq_status write_metadata(const mq_write_plan *p, Onnx__ModelProto *msg, mq_error *err)
{
    const mq_model *m = p->model;
    Onnx__StringStringEntryProto **list;
    size_t n = 0;

    if (!m->metadata.n)
        return MQ_OK;
    if (!(list = mq_arena_calloc(p->arena, msg->n_metadata_props + m->metadata.n, sizeof *list)))
        return mq_oom(err);
    for (size_t i = 0; i < msg->n_metadata_props; i++)
        if (!is_set(m, msg->metadata_props[i]->key))
            list[n++] = msg->metadata_props[i];
    for (size_t i = 0; i < m->metadata.n; i++, n++) {
        if (!(list[n] = COPY_MSG(p, Onnx__StringStringEntryProto, ONNX__STRING_STRING_ENTRY_PROTO__INIT, NULL)))
            return mq_oom(err);
        list[n]->key = (char *)m->metadata.items[i].key;
        list[n]->value = (char *)m->metadata.items[i].value;
    }
    msg->metadata_props = list;
    msg->n_metadata_props = n;
    return MQ_OK;
}

static mq_status write_model(mq_write_plan *p, mq_error *err)
{
    mq_model *m = p->model;
    Onnx__ModelProto *msg = COPY_MSG(p, Onnx__ModelProto, ONNX__MODEL_PROTO__INIT, m->origin);
    mq_status rc = MQ_OK;

    if (!msg || !(msg->functions = mq_arena_calloc(p->arena, m->n_functions, sizeof *msg->functions)))
        return mq_oom(err);
    p->msg = msg;
    msg->has_ir_version = m->has_ir_version;
    msg->ir_version = m->ir_version;
    MQ_TRY(write_opsets(p, &m->opsets, &msg->opset_import, &msg->n_opset_import, err));
    MQ_TRY(write_metadata(p, msg, err));
    msg->n_functions = m->n_functions;
    for (size_t i = 0; i < m->n_functions; i++)
        MQ_TRY(write_function(p, m->functions[i], &msg->functions[i], err));
    if (m->graph)
        MQ_TRY(write_graph(p, m->graph, &msg->graph, err));
done:
    return rc;
}

mq_status mq_onnx_write_plan(mq_write_plan *p, mq_error *err)
{
    p->max_payloads = count_made(p->model);
    p->n_payloads = 0;
    p->external.n = p->files.n = p->file_sizes.n = 0;
    if (!(p->payloads = mq_arena_calloc(p->arena, p->max_payloads, sizeof *p->payloads)))
        return mq_oom(err);
    return write_model(p, err);
}
