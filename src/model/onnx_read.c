/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Builds the graph from messages. It refuses nothing but what cannot be represented: whether the graph is valid is for the
 * checker to say, which needs to see it whole. */
#include "model/onnx_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *text(const char *s)
{
    return s ? s : "";
}

/* ---- types -------------------------------------------------------------------------------------------------------- */

static mq_status read_shape(mq_model *m, const Onnx__TensorShapeProto *msg, mq_type *t, mq_error *err)
{
    if (!msg) {
        t->rank = -1;
        return MQ_OK;
    }
    t->rank = (int)msg->n_dim;
    if (!(t->dims = mq_arena_calloc(m->arena, msg->n_dim, sizeof *t->dims)))
        return mq_oom(err);
    for (size_t i = 0; i < msg->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *d = msg->dim[i];
        t->dims[i] = MQ_DIM_UNKNOWN;
        if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
            t->dims[i].value = d->dim_value;
        else if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM && text(d->dim_param)[0])
            t->dims[i].symbol = d->dim_param;
    }
    return MQ_OK;
}

mq_status mq_onnx_read_type(mq_model *m, const Onnx__TypeProto *msg, mq_type **out, mq_error *err)
{
    mq_type *t;

    *out = NULL;
    if (!msg || msg->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET)
        return MQ_OK;
    if (!(t = mq_arena_alloc(m->arena, sizeof *t)))
        return mq_oom(err);
    t->rank = -1;
    *out = t;
    switch (msg->value_case) {
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
        t->kind = MQ_TYPE_TENSOR;
        t->dtype = (mq_dtype)msg->tensor_type->elem_type;
        return read_shape(m, msg->tensor_type->shape, t, err);
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE:
        t->kind = MQ_TYPE_SPARSE_TENSOR;
        t->dtype = (mq_dtype)msg->sparse_tensor_type->elem_type;
        return read_shape(m, msg->sparse_tensor_type->shape, t, err);
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
        t->kind = MQ_TYPE_SEQUENCE;
        return mq_onnx_read_type(m, msg->sequence_type->elem_type, &t->elem, err);
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
        t->kind = MQ_TYPE_OPTIONAL;
        return mq_onnx_read_type(m, msg->optional_type->elem_type, &t->elem, err);
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE:
        t->kind = MQ_TYPE_MAP;
        t->dtype = (mq_dtype)msg->map_type->key_type;
        return mq_onnx_read_type(m, msg->map_type->value_type, &t->elem, err);
    default:
        t->kind = MQ_TYPE_OPAQUE;
        return MQ_OK;
    }
}

/* ---- tensors ------------------------------------------------------------------------------------------------------ */

static uint16_t filled_fields(const Onnx__TensorProto *msg)
{
    unsigned f = 0;

    f |= (msg->n_float_data > 0) << 4;
    f |= (msg->n_int32_data > 0) << 5;
    f |= (msg->n_string_data > 0) << 6;
    f |= (msg->n_int64_data > 0) << 7;
    f |= (msg->has_raw_data && msg->raw_data.len > 0) << 9;
    f |= (msg->n_double_data > 0) << 10;
    f |= (msg->n_uint64_data > 0) << 11;
    return (uint16_t)f;
}

static bool read_number(const char *s, int64_t *v)
{
    char *end;

    errno = 0;
    *v = strtoll(s, &end, 10);
    return *s && !*end && errno == 0 && *v >= 0;
}

static void read_external(mq_tensor *t, const Onnx__TensorProto *msg)
{
    int64_t v;

    t->storage = MQ_STORE_EXTERNAL;
    t->external = (mq_external){ .location = "", .length = -1 };
    for (size_t i = 0; i < msg->n_external_data; i++) {
        const char *key = text(msg->external_data[i]->key), *value = text(msg->external_data[i]->value);
        if (strcmp(key, "location") == 0)
            t->external.location = value;
        else if (strcmp(key, "offset") == 0) /* what is no number is a place that no file has */
            t->external.offset = read_number(value, &v) ? (uint64_t)v : UINT64_MAX;
        else if (strcmp(key, "length") == 0)
            t->external.length = read_number(value, &v) ? v : INT64_MAX;
    }
}

static mq_status read_strings(mq_tensor *t, const Onnx__TensorProto *msg, mq_error *err)
{
    mq_bytes *list = mq_arena_calloc(t->model->arena, msg->n_string_data, sizeof *list);

    if (!list)
        return mq_oom(err);
    for (size_t i = 0; i < msg->n_string_data; i++)
        list[i] = (mq_bytes){ msg->string_data[i].data, msg->string_data[i].len };
    t->storage = MQ_STORE_STRINGS;
    t->strings = list;
    t->n_items = msg->n_string_data;
    return MQ_OK;
}

static void store(mq_tensor *t, mq_storage storage, const void *data, size_t n_items, size_t n_bytes)
{
    t->storage = storage;
    t->data = data;
    t->n_items = n_items;
    t->n_bytes = n_bytes;
}

/* The mapped file that holds p, so that pages can be given back. */
static mq_buf *buf_of(const mq_model *m, const void *p)
{
    for (size_t i = 0; i < m->bufs.n; i++) {
        mq_buf *b = m->bufs.items[i];
        if ((uintptr_t)p >= (uintptr_t)b->data && (uintptr_t)p < (uintptr_t)b->data + b->size)
            return b;
    }
    return NULL;
}

mq_status mq_onnx_read_tensor(mq_model *m, const Onnx__TensorProto *msg, mq_tensor **out, mq_error *err)
{
    mq_tensor *t = mq_arena_alloc(m->arena, sizeof *t);

    if (!t)
        return mq_oom(err);
    *out = t;
    t->name = text(msg->name);
    t->model = m;
    t->dtype = (mq_dtype)msg->data_type;
    t->n_dims = (int)msg->n_dims;
    t->dims = msg->dims;
    t->fields = filled_fields(msg);
    t->origin = msg;
    if (msg->has_data_location && msg->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        read_external(t, msg);
    else if (msg->n_string_data)
        return read_strings(t, msg, err);
    else if (msg->n_int32_data)
        store(t, MQ_STORE_INT32S, msg->int32_data, msg->n_int32_data, 0);
    else if (msg->n_int64_data)
        store(t, MQ_STORE_INT64S, msg->int64_data, msg->n_int64_data, 0);
    else if (msg->n_uint64_data)
        store(t, MQ_STORE_UINT64S, msg->uint64_data, msg->n_uint64_data, 0);
    else if (msg->n_float_data)
        store(t, MQ_STORE_FLOATS, msg->float_data, 0, msg->n_float_data * sizeof(float));
    else if (msg->n_double_data)
        store(t, MQ_STORE_FLOATS, msg->double_data, 0, msg->n_double_data * sizeof(double));
    else
        store(t, MQ_STORE_RAW, msg->raw_data.data, 0, msg->has_raw_data ? msg->raw_data.len : 0);
    t->buf = t->data ? buf_of(m, t->data) : NULL;
    if (!t->data)
        t->data = ""; /* nothing is stored: a valid pointer to no bytes */
    return MQ_OK;
}

mq_status mq_onnx_read_sparse(mq_model *m, const Onnx__SparseTensorProto *msg, mq_sparse **out, mq_error *err)
{
    static const Onnx__TensorProto nothing = ONNX__TENSOR_PROTO__INIT;
    mq_sparse *s = mq_arena_alloc(m->arena, sizeof *s);
    mq_status rc = MQ_OK;

    if (!s)
        return mq_oom(err);
    MQ_TRY(mq_onnx_read_tensor(m, msg->values ? msg->values : &nothing, &s->values, err));
    MQ_TRY(mq_onnx_read_tensor(m, msg->indices ? msg->indices : &nothing, &s->indices, err));
    s->n_dims = (int)msg->n_dims;
    s->dims = msg->dims;
    s->origin = msg;
    *out = s;
done:
    return rc;
}

/* ---- attributes --------------------------------------------------------------------------------------------------- */

static mq_status read_graph(mq_model *m, const Onnx__GraphProto *msg, mq_graph *parent, mq_node *owner, mq_graph **out,
                            mq_error *err);

/* The type as written, or, where it is missing, what the first field that is set says. */
static mq_attr_type attr_type(const Onnx__AttributeProto *a)
{
    if (a->has_type && a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED)
        return (mq_attr_type)a->type;
    if (a->has_f) return MQ_ATTR_FLOAT;
    if (a->has_i) return MQ_ATTR_INT;
    if (a->has_s) return MQ_ATTR_STRING;
    if (a->t) return MQ_ATTR_TENSOR;
    if (a->g) return MQ_ATTR_GRAPH;
    if (a->n_floats) return MQ_ATTR_FLOATS;
    if (a->n_ints) return MQ_ATTR_INTS;
    if (a->n_strings) return MQ_ATTR_STRINGS;
    if (a->n_tensors) return MQ_ATTR_TENSORS;
    if (a->n_graphs) return MQ_ATTR_GRAPHS;
    return MQ_ATTR_UNDEFINED;
}

/* Reads a list of n messages with `read_one(msgs[i], &list[i])` into a new array. */
#define READ_LIST(list, count, msgs, read_one)                                        \
    do {                                                                              \
        a->n = (count);                                                               \
        if (!((list) = mq_arena_calloc(m->arena, a->n, sizeof *(list))))              \
            return mq_oom(err);                                                       \
        for (size_t i_ = 0; rc == MQ_OK && i_ < a->n; i_++)                           \
            rc = read_one(m, (msgs)[i_], &(list)[i_], err);                           \
    } while (0)

static mq_status read_graphs(mq_model *m, mq_attr *a, Onnx__GraphProto *const *msgs, size_t n, mq_node *owner,
                             mq_error *err)
{
    mq_status rc = MQ_OK;

    if (!(a->graphs = mq_arena_calloc(m->arena, n, sizeof(mq_graph *))))
        return mq_oom(err);
    for (size_t i = 0; rc == MQ_OK && i < n; i++) {
        rc = read_graph(m, msgs[i], owner->graph, owner, &a->graphs[i], err);
        a->n = i + (rc == MQ_OK);
    }
    return rc;
}

static mq_status read_strings_attr(mq_model *m, mq_attr *a, const Onnx__AttributeProto *msg, mq_error *err)
{
    mq_bytes *list = mq_arena_calloc(m->arena, msg->n_strings, sizeof *list);

    if (!list)
        return mq_oom(err);
    for (size_t i = 0; i < msg->n_strings; i++)
        list[i] = (mq_bytes){ msg->strings[i].data, msg->strings[i].len };
    a->strings = list;
    a->n = msg->n_strings;
    return MQ_OK;
}

static mq_status read_attr_value(mq_model *m, mq_attr *a, const Onnx__AttributeProto *msg, mq_node *owner,
                                 mq_error *err)
{
    mq_status rc = MQ_OK;

    switch (a->type) {
    case MQ_ATTR_FLOAT: a->f = msg->f; break;
    case MQ_ATTR_INT: a->i = msg->i; break;
    case MQ_ATTR_STRING: a->s = (mq_bytes){ msg->s.data, msg->has_s ? msg->s.len : 0 }; break;
    case MQ_ATTR_FLOATS: a->floats = msg->floats, a->n = msg->n_floats; break;
    case MQ_ATTR_INTS: a->ints = msg->ints, a->n = msg->n_ints; break;
    case MQ_ATTR_STRINGS: rc = read_strings_attr(m, a, msg, err); break;
    case MQ_ATTR_TENSOR: READ_LIST(a->tensors, msg->t != NULL, &msg->t, mq_onnx_read_tensor); break;
    case MQ_ATTR_TENSORS: READ_LIST(a->tensors, msg->n_tensors, msg->tensors, mq_onnx_read_tensor); break;
    case MQ_ATTR_SPARSE_TENSOR:
        READ_LIST(a->sparses, msg->sparse_tensor != NULL, &msg->sparse_tensor, mq_onnx_read_sparse);
        break;
    case MQ_ATTR_SPARSE_TENSORS:
        READ_LIST(a->sparses, msg->n_sparse_tensors, msg->sparse_tensors, mq_onnx_read_sparse);
        break;
    case MQ_ATTR_TYPE: READ_LIST(a->types, msg->tp != NULL, &msg->tp, mq_onnx_read_type); break;
    case MQ_ATTR_TYPES: READ_LIST(a->types, msg->n_type_protos, msg->type_protos, mq_onnx_read_type); break;
    case MQ_ATTR_GRAPH: rc = owner ? read_graphs(m, a, &msg->g, msg->g != NULL, owner, err) : MQ_OK; break;
    case MQ_ATTR_GRAPHS: rc = owner ? read_graphs(m, a, msg->graphs, msg->n_graphs, owner, err) : MQ_OK; break;
    default: break; /* an unknown type: the message keeps it */
    }
    return rc;
}

/* owner: the node it belongs to; NULL for a function's default. */
static mq_status read_attr(mq_model *m, const Onnx__AttributeProto *msg, mq_node *owner, mq_attr **out, mq_error *err)
{
    mq_attr *a = mq_arena_alloc(m->arena, sizeof *a);

    if (!a)
        return mq_oom(err);
    a->name = text(msg->name);
    a->ref = text(msg->ref_attr_name)[0] ? msg->ref_attr_name : NULL;
    a->type = attr_type(msg);
    a->origin = msg;
    *out = a;
    return read_attr_value(m, a, msg, owner, err);
}

/* ---- graphs ------------------------------------------------------------------------------------------------------- */

/* The value of that name in g, made when there is none; NULL when out of memory. */
static mq_value *value_here(mq_graph *g, const char *name)
{
    mq_value *v = mq_graph_find_here(g, name);
    return v ? v : mq_value_create(g, name);
}

/* Gives v what a ValueInfoProto says, unless something was said before. */
static mq_status declare(mq_value *v, const Onnx__ValueInfoProto *msg, mq_error *err)
{
    if (v->declared)
        return MQ_OK;
    v->origin = msg;
    return mq_onnx_read_type(v->graph->model, msg->type, &v->declared, err);
}

static mq_status read_inputs(mq_graph *g, Onnx__ValueInfoProto *const *infos, size_t n, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && i < n; i++) {
        mq_value *v;
        if (!text(infos[i]->name)[0])
            continue;
        if (!(v = mq_value_create(g, infos[i]->name)))
            return mq_oom(err);
        rc = mq_graph_add_input(g, v, err);
        if (rc == MQ_OK)
            rc = declare(v, infos[i], err);
    }
    return rc;
}

static mq_value *value_for_init(mq_graph *g, const char *name)
{
    mq_value *v = mq_graph_find_here(g, name);
    return v && !v->init && !v->sparse ? v : mq_value_create(g, name);
}

static mq_status read_inits(mq_graph *g, const Onnx__GraphProto *msg, mq_error *err)
{
    mq_arena *arena = g->model->arena;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < msg->n_initializer; i++) {
        mq_tensor *t = NULL;
        mq_value *v;
        MQ_TRY(mq_onnx_read_tensor(g->model, msg->initializer[i], &t, err));
        if (!t->name[0])
            continue;
        if (!(v = value_for_init(g, t->name)) || !mq_vec_push_in(arena, &g->inits, v))
            return mq_oom(err);
        v->init = t;
        g->model->had_external |= t->storage == MQ_STORE_EXTERNAL;
    }
    for (size_t i = 0; i < msg->n_sparse_initializer; i++) {
        mq_sparse *s = NULL;
        mq_value *v;
        MQ_TRY(mq_onnx_read_sparse(g->model, msg->sparse_initializer[i], &s, err));
        if (!s->values->name[0])
            continue;
        if (!(v = value_for_init(g, s->values->name)) || !mq_vec_push_in(arena, &g->inits, v))
            return mq_oom(err);
        v->sparse = s;
    }
done:
    return rc;
}

/* The node with its outputs; inputs and attributes follow once every name of the graph is known. */
static mq_status read_node_outputs(mq_graph *g, const Onnx__NodeProto *msg, mq_error *err)
{
    mq_node *n = mq_node_create(g, NULL, text(msg->domain), text(msg->op_type), text(msg->name));
    mq_status rc = MQ_OK;

    if (!n)
        return mq_oom(err);
    n->overload = text(msg->overload);
    n->origin = msg;
    for (size_t i = 0; rc == MQ_OK && i < msg->n_output; i++) {
        mq_value *v = NULL;
        if (text(msg->output[i])[0]) {
            v = mq_graph_find_here(g, msg->output[i]);
            /* a name that only value_info or a use has mentioned so far is this output */
            if (!v || v->producer || v->is_input || v->init || v->sparse)
                v = mq_value_create(g, msg->output[i]);
            if (!v)
                return mq_oom(err);
        }
        rc = mq_node_set_output(n, i, v, err);
    }
    return rc;
}

static mq_status read_node_rest(mq_node *n, mq_error *err)
{
    const Onnx__NodeProto *msg = n->origin;
    mq_graph *g = n->graph;
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && i < msg->n_input; i++) {
        mq_value *v = NULL;
        if (text(msg->input[i])[0] && !(v = mq_graph_find(g, msg->input[i])) &&
            !(v = mq_value_create(g, msg->input[i])))
            return mq_oom(err);
        rc = mq_node_set_input(n, i, v, err);
    }
    if (rc != MQ_OK)
        return rc;
    if (!(n->attrs = mq_arena_calloc(g->model->arena, msg->n_attribute, sizeof(mq_attr *))))
        return mq_oom(err);
    for (size_t i = 0; rc == MQ_OK && i < msg->n_attribute; i++) {
        rc = read_attr(g->model, msg->attribute[i], n, &n->attrs[i], err);
        n->n_attrs = i + 1;
    }
    return rc;
}

static mq_status read_nodes(mq_graph *g, Onnx__NodeProto *const *nodes, size_t n_nodes, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && i < n_nodes; i++)
        rc = read_node_outputs(g, nodes[i], err);
    for (mq_node *n = g->first; rc == MQ_OK && n; n = n->next)
        rc = read_node_rest(n, err);
    return rc;
}

static mq_status read_value_info(mq_graph *g, Onnx__ValueInfoProto *const *infos, size_t n, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && i < n; i++) {
        mq_value *v;
        if (!text(infos[i]->name)[0])
            continue;
        if (!(v = value_here(g, infos[i]->name)) || !mq_vec_push_in(g->model->arena, &g->value_info, v))
            return mq_oom(err);
        rc = declare(v, infos[i], err);
    }
    return rc;
}

static mq_status read_outputs(mq_graph *g, Onnx__ValueInfoProto *const *infos, size_t n, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && i < n; i++) {
        mq_value *v;
        if (!text(infos[i]->name)[0])
            continue;
        v = mq_graph_find(g, infos[i]->name);
        if (!v && !(v = mq_value_create(g, infos[i]->name)))
            return mq_oom(err);
        rc = mq_graph_add_output(g, v, err);
        if (rc == MQ_OK)
            rc = declare(v, infos[i], err);
    }
    return rc;
}

static mq_status read_graph(mq_model *m, const Onnx__GraphProto *msg, mq_graph *parent, mq_node *owner, mq_graph **out,
                            mq_error *err)
{
    mq_graph *g = mq_graph_create(m, parent, owner, text(msg->name));
    mq_status rc = MQ_OK;

    if (!g)
        return mq_oom(err);
    g->origin = msg;
    *out = g;
    MQ_TRY(read_inputs(g, msg->input, msg->n_input, err));
    MQ_TRY(read_inits(g, msg, err));
    MQ_TRY(read_nodes(g, msg->node, msg->n_node, err));
    MQ_TRY(read_value_info(g, msg->value_info, msg->n_value_info, err));
    MQ_TRY(read_outputs(g, msg->output, msg->n_output, err));
done:
    return rc;
}

/* ---- functions and the model -------------------------------------------------------------------------------------- */

static mq_status read_opsets(mq_model *m, mq_opset_vec *out, Onnx__OperatorSetIdProto *const *msgs, size_t n,
                             mq_error *err)
{
    for (size_t i = 0; i < n; i++) {
        mq_opset o = { .domain = text(msgs[i]->domain), .version = msgs[i]->version, .origin = msgs[i] };
        if (!mq_vec_push_in(m->arena, out, o))
            return mq_oom(err);
    }
    return MQ_OK;
}

static mq_status read_function_attrs(mq_model *m, mq_function *f, const Onnx__FunctionProto *msg, mq_error *err)
{
    mq_status rc = MQ_OK;

    f->attrs = (const char **)msg->attribute;
    f->n_attrs = msg->n_attribute;
    f->attr_protos = mq_arena_calloc(m->arena, msg->n_attribute_proto, sizeof(mq_attr *));
    if (!f->attr_protos)
        return mq_oom(err);
    for (size_t i = 0; rc == MQ_OK && i < msg->n_attribute_proto; i++) {
        rc = read_attr(m, msg->attribute_proto[i], NULL, &f->attr_protos[i], err);
        f->n_attr_protos = i + 1;
    }
    return rc;
}

/* Names listed as a function's inputs or outputs. */
static mq_status read_function_names(mq_graph *g, char *const *names, size_t n, bool inputs, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && i < n; i++) {
        mq_value *v;
        if (!text(names[i])[0])
            continue;
        v = inputs ? mq_value_create(g, names[i]) : value_here(g, names[i]);
        if (!v)
            return mq_oom(err);
        rc = inputs ? mq_graph_add_input(g, v, err) : mq_graph_add_output(g, v, err);
    }
    return rc;
}

static mq_status read_function(mq_model *m, const Onnx__FunctionProto *msg, mq_error *err)
{
    mq_function *f = mq_arena_alloc(m->arena, sizeof *f);
    mq_status rc = MQ_OK;

    if (!f || !(f->body = mq_graph_create(m, NULL, NULL, text(msg->name))))
        return mq_oom(err);
    f->body->function = f;
    f->domain = text(msg->domain);
    f->name = text(msg->name);
    f->overload = text(msg->overload);
    f->origin = msg;
    MQ_TRY(mq_model_add_function(m, f, err));
    MQ_TRY(read_opsets(m, &f->opsets, msg->opset_import, msg->n_opset_import, err));
    MQ_TRY(read_function_attrs(m, f, msg, err));
    MQ_TRY(read_function_names(f->body, msg->input, msg->n_input, true, err));
    MQ_TRY(read_nodes(f->body, msg->node, msg->n_node, err));
    MQ_TRY(read_value_info(f->body, msg->value_info, msg->n_value_info, err));
    MQ_TRY(read_function_names(f->body, msg->output, msg->n_output, false, err));
done:
    return rc;
}

mq_status mq_onnx_read_model(mq_model *m, Onnx__ModelProto *msg, mq_error *err)
{
    mq_status rc = MQ_OK;

    m->origin = msg;
    m->ir_version = msg->ir_version;
    m->has_ir_version = msg->has_ir_version;
    m->producer_name = text(msg->producer_name);
    m->producer_version = text(msg->producer_version);
    MQ_TRY(read_opsets(m, &m->opsets, msg->opset_import, msg->n_opset_import, err));
    for (size_t i = 0; i < msg->n_functions; i++)
        MQ_TRY(read_function(m, msg->functions[i], err));
    if (msg->graph)
        MQ_TRY(read_graph(m, msg->graph, NULL, NULL, &m->graph, err));
done:
    return rc;
}
