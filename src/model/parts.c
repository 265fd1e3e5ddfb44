/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reading and writing manifests of models in parts, and joining parts. */
#include "model/parts.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_print.h"
#include "base/str.h"
#include "graph/clone.h"
#include "model/external.h"
#include "model/save.h"

#define VERSION 1
#define MOST_PARTS 4096

/* ---- joining ------------------------------------------------------------------------------------------------------ */

/* Does whole have everything that the node makes? */
static bool is_made(const mq_model *whole, const mq_node *n)
{
    for (size_t i = 0; i < n->n_outputs; i++) {
        const mq_value *v = n->outputs[i] ? mq_graph_find_here(whole->graph, n->outputs[i]->name) : NULL;

        if (n->outputs[i] && (!v || !v->producer))
            return false;
    }
    return n->n_outputs > 0;
}

/* Constants that `whole` has already go from the part. */
static void drop_made(const mq_model *whole, mq_model *part)
{
    for (mq_node *n = part->graph->first, *next; n; n = next) {
        next = n->next;
        if (is_made(whole, n))
            mq_node_remove(n);
    }
    for (size_t i = part->graph->inits.n; i-- > 0;) {
        mq_value *v = part->graph->inits.items[i];
        const mq_value *there = mq_graph_find_here(whole->graph, v->name);

        if (there && (there->init || there->sparse))
            mq_value_clear_init(v);
    }
}

static mq_status join_one(mq_model *whole, mq_model *part, mq_error *err)
{
    const mq_graph *g = part->graph;
    mq_binding *bound = calloc(g->values.n + 1, sizeof *bound);
    size_t n = 0;
    mq_status rc;

    if (!bound)
        return mq_oom(err);
    drop_made(whole, part);
    for (size_t i = 0; i < g->values.n; i++) {
        mq_value *there = mq_graph_find_here(whole->graph, g->values.items[i]->name);

        if (there)
            bound[n++] = (mq_binding){ there->name, there };
    }
    rc = mq_model_append(whole, part, NULL, bound, n, err);
    free(bound);
    return rc;
}

/* The lists of the whole are those given. */
static mq_status set_edges(mq_model *m, const char *const *inputs, size_t n_inputs, const char *const *outputs,
                           size_t n_outputs, mq_error *err)
{
    mq_graph *g = m->graph;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->inputs.n;)
        if (g->inputs.items[i]->init) /* an initializer that is listed among the inputs, as IR 3 wants it */
            i++;
        else
            mq_graph_remove_input(g, g->inputs.items[i]);
    mq_graph_clear_outputs(g);
    for (size_t i = 0; i < n_inputs && rc == MQ_OK; i++) {
        mq_value *v = mq_graph_find_here(g, inputs[i]);

        if (!v || v->producer)
            return mq_fail(err, MQ_ERR_INPUT, "no part has an input '%s'", inputs[i]);
        rc = v->is_input ? MQ_OK : mq_graph_add_input(g, v, err);
    }
    for (size_t i = 0; i < n_outputs && rc == MQ_OK; i++) {
        mq_value *v = mq_graph_find_here(g, outputs[i]);

        if (!v)
            return mq_fail(err, MQ_ERR_INPUT, "no part makes the output '%s'", outputs[i]);
        rc = mq_graph_add_output(g, v, err);
    }
    return rc;
}

mq_status mq_parts_join(mq_model **out, mq_model **parts, size_t n, const char *const *inputs, size_t n_inputs,
                        const char *const *outputs, size_t n_outputs, mq_error *err)
{
    mq_model *m = parts[0];
    mq_status rc = MQ_OK;

    for (size_t i = 1; i < n; i++)
        if (rc != MQ_OK || !mq_vec_push_in(m->arena, &m->joined, parts[i])) {
            mq_model_free(parts[i]);
            rc = rc == MQ_OK ? mq_oom(err) : rc;
        }
    for (size_t i = 0; i < n && rc == MQ_OK; i++)
        if (!parts[i]->graph)
            rc = mq_fail(err, MQ_ERR_INPUT, "part %zu has no graph", i + 1);
    for (size_t i = 1; i < n && rc == MQ_OK; i++) {
        if ((rc = join_one(m, parts[i], err)) != MQ_OK)
            mq_error_prefix(err, "part %zu", i + 1);
        m->file_bytes += parts[i]->file_bytes;
    }
    if (rc == MQ_OK)
        rc = set_edges(m, inputs, n_inputs, outputs, n_outputs, err);
    if (rc == MQ_OK)
        *out = m;
    else
        mq_model_free(m);
    return rc;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* Strings of an array, borrowed from it; NULL with an error: it is none. */
static mq_status read_names(const json_t *from, const char *key, const char ***names, size_t *n, mq_error *err)
{
    const json_t *list = json_object_get(from, key);

    *n = json_array_size(list);
    if (!json_is_array(list) || !(*names = calloc(*n + 1, sizeof **names)))
        return json_is_array(list) ? mq_oom(err) : mq_fail(err, MQ_ERR_INPUT, "'%s' is no list of names", key);
    for (size_t i = 0; i < *n; i++)
        if (!((*names)[i] = json_string_value(json_array_get(list, i))))
            return mq_fail(err, MQ_ERR_INPUT, "'%s' is no list of names", key);
    return MQ_OK;
}

/* A part lies beside the manifest: nothing else is read because a file says so. */
static mq_status load_part(mq_model **out, const char *folder, const json_t *part, mq_error *err)
{
    const char *file = json_string_value(json_object_get(part, "file"));
    char *path = NULL;
    mq_status rc;

    if (!file || !*file || strchr(file, '/') || strcmp(file, "..") == 0 || strcmp(file, "-") == 0)
        return mq_fail(err, MQ_ERR_INPUT, "'file' of a part is no name of a file beside it");
    rc = mq_external_find(folder, file, "part", &path, err);
    if (rc == MQ_OK)
        rc = mq_model_load_single(out, path, err);
    free(path);
    return rc;
}

/* The model is called by its list from here on, and knows its files. */
static mq_status name_list(mq_model *m, const char *path, mq_error *err)
{
    const char *first = m->path;

    if (!(m->path = mq_arena_strdup(m->arena, path)) || !mq_vec_push_in(m->arena, &m->part_files, first))
        return mq_oom(err);
    for (size_t i = 0; i < m->joined.n; i++)
        if (!mq_vec_push_in(m->arena, &m->part_files, m->joined.items[i]->path))
            return mq_oom(err);
    return MQ_OK;
}

static mq_status load_all(mq_model **out, const json_t *doc, const char *folder, mq_error *err)
{
    const json_t *list = json_object_get(doc, "parts");
    const size_t n = json_array_size(list);
    mq_model **parts = n > 0 && n <= MOST_PARTS ? calloc(n, sizeof *parts) : NULL;
    const char **inputs = NULL, **outputs = NULL;
    size_t n_inputs, n_outputs, n_loaded = 0;
    mq_status rc = MQ_OK;

    if (n == 0 || n > MOST_PARTS)
        return mq_fail(err, MQ_ERR_INPUT, "'parts' is no list of 1 to %d parts", MOST_PARTS);
    if (!parts)
        return mq_oom(err);
    MQ_TRY(read_names(doc, "inputs", &inputs, &n_inputs, err));
    MQ_TRY(read_names(doc, "outputs", &outputs, &n_outputs, err));
    for (; n_loaded < n; n_loaded++)
        MQ_TRY(load_part(&parts[n_loaded], folder, json_array_get(list, n_loaded), err));
    n_loaded = 0;
    rc = mq_parts_join(out, parts, n, inputs, n_inputs, outputs, n_outputs, err);
done:
    for (size_t i = 0; i < n_loaded; i++)
        mq_model_free(parts[i]);
    free(parts);
    free(inputs);
    free(outputs);
    return rc;
}

/* Loads the parts from the folder of the list. */
static mq_status load_beside(mq_model **out, const json_t *doc, const char *path, mq_error *err)
{
    const char *slash = strrchr(path, '/');
    mq_str folder = { 0 };
    mq_model *m = NULL;
    mq_status rc;

    if (strcmp(path, "-") == 0)
        return mq_fail(err, MQ_ERR_INPUT, "the parts cannot be found: the list came through a pipe");
    mq_str_addf(&folder, "%.*s", slash ? (int)(slash + (slash == path) - path) : 0, path);
    rc = folder.failed ? mq_oom(err) : load_all(&m, doc, folder.s ? folder.s : "", err);
    mq_str_release(&folder);
    if (rc == MQ_OK)
        rc = name_list(m, path, err);
    if (rc == MQ_OK)
        *out = m;
    else
        mq_model_free(m);
    return rc;
}

mq_status mq_parts_load(mq_model **out, const mq_buf *text, const char *path, mq_error *err)
{
    json_error_t bad;
    json_t *doc = json_loadb((const char *)text->data, text->size, JSON_REJECT_DUPLICATES, &bad);
    const char *format = json_string_value(json_object_get(doc, "format"));
    mq_status rc;

    if (!doc)
        rc = mq_fail(err, MQ_ERR_INPUT, "%s: neither an ONNX model nor a list of parts: no JSON at line %d", path, bad.line);
    else if (!format || strcmp(format, "mq-parts") != 0)
        rc = mq_fail(err, MQ_ERR_INPUT, "%s: not an ONNX model: a JSON file that is no list of parts (mq split writes one)",
                     path);
    else if (json_integer_value(json_object_get(doc, "version")) != VERSION)
        rc = mq_fail(err, MQ_ERR_INPUT, "%s: this mq reads version %d of lists of parts", path, VERSION);
    else if ((rc = load_beside(out, doc, path, err)) != MQ_OK && strncmp(err->text, path, strlen(path)) != 0)
        mq_error_prefix(err, "%s", path);
    json_decref(doc);
    return rc;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

static json_t *names_of(const mq_value_vec *vec)
{
    json_t *list = json_array();

    for (size_t i = 0; i < vec->n; i++)
        if (!vec->items[i]->init && json_array_append_new(list, json_string(vec->items[i]->name)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *part_object(const mq_parts_entry *e)
{
    json_t *o = json_pack("{s:s, s:I, s:o, s:o}", "file", e->file, "bytes", (json_int_t)e->bytes, "inputs",
                          names_of(&e->graph->inputs), "outputs", names_of(&e->graph->outputs));

    if (o && e->macs >= 0 && json_object_set_new(o, "macs", json_integer(e->macs)) != 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

char *mq_parts_text(const char *model_name, const mq_graph *whole, const mq_parts_entry *parts, size_t n)
{
    json_t *list = json_array(), *doc;
    char *text = NULL;

    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(list, part_object(&parts[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    doc = json_pack("{s:s, s:i, s:s, s:o, s:o, s:o}", "format", "mq-parts", "version", VERSION, "model", model_name,
                    "inputs", names_of(&whole->inputs), "outputs", names_of(&whole->outputs), "parts", list);
    if (doc)
        text = mq_json_print(doc, JSON_INDENT(2));
    json_decref(doc);
    return text;
}
