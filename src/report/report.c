/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The report as a whole: its sections in their order, the verdict, and writing it in a form. What an entry holds is in
 * entries.c, what a form looks like in the file of that form. Nothing here knows a command. */
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "mq/version.h"
#include "report/internal.h"

/* Order of the document. The verdict and `tool` come first, `measured` last: a comparison of two reports drops that one. */
const mq_report_section_row mq_report_sections[] = {
    { "bounds", true },   { "findings", true }, { "before", false },  { "after", false },
    { "mode", false },    { "rewrites", false }, { "refinements", false }, { "parts", true }, { "connections", true },
    { "proof", false },   { "agreement", true }, { "layers", true }, { "tests", false },
    { "run", false },     { "models", true },   { "latency", true },      { "metrics", true }, { "training", true },
    { "prune", false },  { "search", false },    { "sensitivity", true },
    { "profile", true },  { "changed", true },  { "activations", true },  { "saturating", true }, { "io", true },
    { "kept", true },     { "warnings", true }, { "worst_layers", true }, { "model", false },   { "options", false },
    { "files", true },
};
enum { N_SECTIONS = sizeof mq_report_sections / sizeof *mq_report_sections };
_Static_assert(N_SECTIONS == MQ_REPORT_N_SECTIONS, "internal.h counts the sections");

/* Forms by what file names end in; a new form is a row here and a file beside markdown.c. */
static const struct {
    mq_report_form form;
    const char *ending; /* NULL: never by name */
    void (*render)(const json_t *document, mq_str *out);
} forms[] = {
    { MQ_REPORT_JSON, ".json", mq_render_json },
    { MQ_REPORT_MARKDOWN, ".md", mq_render_markdown },
    { MQ_REPORT_HTML, ".html", mq_render_html },
    { MQ_REPORT_JUNIT, ".xml", mq_render_junit },
    { MQ_REPORT_TEXT, NULL, mq_render_text },
};
enum { N_FORMS = sizeof forms / sizeof *forms };

mq_status mq_report_create(mq_report **out, const char *command, mq_error *err)
{
    mq_report *r = calloc(1, sizeof *r);

    if (!r)
        return mq_oom(err);
    r->started = mq_clock();
    if (!(r->command = strdup(command)) || !(r->steps = json_array())) {
        mq_report_free(r);
        return mq_oom(err);
    }
    *out = r;
    return MQ_OK;
}

void mq_report_free(mq_report *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->keys.n; i++)
        free(r->keys.items[i]);
    mq_vec_release(&r->keys);
    mq_map_release(&r->warnings);
    for (size_t i = 0; i < N_SECTIONS; i++)
        json_decref(r->sections[i]);
    json_decref(r->steps);
    json_decref(r->speed);
    free(r->error);
    free(r->command);
    free(r);
}

mq_status mq_report_status(const mq_report *r, mq_error *err)
{
    return r && r->failed ? mq_oom(err) : MQ_OK;
}

static size_t section_index(const char *name)
{
    for (size_t i = 0; i < N_SECTIONS; i++)
        if (strcmp(mq_report_sections[i].name, name) == 0)
            return i;
    MQ_BUG("no such section in a report");
}

json_t *mq_report_section(mq_report *r, const char *name)
{
    size_t i;

    if (!r)
        return NULL;
    i = section_index(name);
    if (!r->sections[i])
        r->sections[i] = mq_report_sections[i].is_array ? json_array() : json_object();
    if (!r->sections[i])
        r->failed = true;
    return r->sections[i];
}

const json_t *mq_report_peek(const mq_report *r, const char *name)
{
    return r ? r->sections[section_index(name)] : NULL;
}

size_t mq_report_n_missed(const mq_report *r)
{
    return r ? r->n_missed : 0;
}

size_t mq_report_n_warnings(const mq_report *r)
{
    return r ? r->n_warnings : 0;
}

mq_status mq_report_set_error(mq_report *r, int exit_status, const char *text, mq_error *err)
{
    char *copy = strdup(text);

    if (!copy)
        return mq_oom(err);
    free(r->error);
    r->error = copy;
    r->exit_status = exit_status;
    return MQ_OK;
}

/* ---- the document ------------------------------------------------------------------------------------------------- */

static const char *verdict(const mq_report *r)
{
    return r->error ? "error" : r->n_missed ? "fail" : "pass";
}

/* Adds the member, and notes in *ok when memory ran out; value is a new reference. */
static void add(json_t *object, const char *key, json_t *value, bool *ok)
{
    if (json_object_set_new(object, key, value) != 0)
        *ok = false;
}

/* What a section shows when nobody filled it in: NULL, nothing. Bounds and warnings are always there: that there are none
 * is a fact too. */
static json_t *empty_section(const mq_report *r, const char *name, bool *ok)
{
    json_t *made = NULL;

    if (strcmp(name, "worst_layers") == 0)
        return mq_report_worst_layers(mq_report_peek(r, "changed"), ok);
    if (strcmp(name, "bounds") == 0 || strcmp(name, "warnings") == 0)
        made = json_array();
    else if (strcmp(name, "options") == 0)
        made = json_object();
    else
        return NULL;
    *ok = *ok && made;
    return made;
}

json_t *mq_report_document(const mq_report *r)
{
    json_t *doc = json_object(), *tool = json_object();
    bool ok = doc && tool && !r->failed;

    add(doc, "schema_version", json_integer(MQ_REPORT_SCHEMA_VERSION), &ok);
    add(tool, "name", json_string("mq"), &ok);
    add(tool, "version", json_string(mq_version()), &ok);
    add(tool, "command", mq_json_text(r->command), &ok);
    add(doc, "tool", tool, &ok);
    add(doc, "verdict", json_string(verdict(r)), &ok);
    if (r->error) {
        json_t *error = json_object();
        add(error, "exit_status", json_integer(r->exit_status), &ok);
        add(error, "text", mq_json_text(r->error), &ok);
        add(doc, "error", error, &ok);
    }
    for (size_t i = 0; i < N_SECTIONS && ok; i++) {
        const char *name = mq_report_sections[i].name;
        json_t *section = r->sections[i] ? json_incref(r->sections[i]) : empty_section(r, name, &ok);
        if (section)
            add(doc, name, section, &ok);
    }
    add(doc, "measured", mq_report_measured(r), &ok);
    if (!ok) {
        json_decref(doc);
        return NULL;
    }
    return doc;
}

/* ---- forms -------------------------------------------------------------------------------------------------------- */

static mq_status form_of_name(const char *path, mq_report_form *form, mq_error *err)
{
    for (size_t i = 0; i < N_FORMS; i++)
        if (forms[i].ending && mq_ends_with(path, forms[i].ending)) {
            *form = forms[i].form;
            return MQ_OK;
        }
    return mq_fail(err, MQ_ERR_USAGE, "report '%s': its name ends in none of .json .md .html .xml; write the form before "
                   "it, as in json:%s", path, path);
}

static mq_status render(const mq_report *r, mq_report_form form, mq_str *out, mq_error *err)
{
    json_t *doc;
    size_t i;

    for (i = 0; i < N_FORMS && forms[i].form != form; i++)
        ;
    if (i == N_FORMS)
        return mq_fail(err, MQ_ERR_USAGE, "no such form of a report: %d", (int)form);
    if (!(doc = mq_report_document(r)))
        return mq_oom(err);
    forms[i].render(doc, out);
    json_decref(doc);
    return out->failed || !out->s ? mq_oom(err) : MQ_OK;
}

mq_status mq_report_render(const mq_report *r, mq_report_form form, char **out, mq_error *err)
{
    mq_str text = { 0 };
    mq_status rc = render(r, form, &text, err);

    if (rc == MQ_OK)
        *out = text.s;
    else
        mq_str_release(&text);
    return rc;
}

mq_status mq_report_write(const mq_report *r, mq_report_form form, const char *path, mq_error *err)
{
    mq_str text = { 0 };
    mq_status rc = MQ_OK;

    if (form == MQ_REPORT_AUTO)
        MQ_TRY(form_of_name(path, &form, err));
    MQ_TRY(render(r, form, &text, err));
    MQ_TRY(mq_file_put(path, text.s, text.n, err));
done:
    mq_str_release(&text);
    return rc;
}
