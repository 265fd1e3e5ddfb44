/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The JUnit form, for CI servers: one test case per bound and per finding that is an error; the command itself is one, so
 * that there is always a case. Findings that are warnings, and warnings, go to system-out. */
#include <string.h>

#include "report/internal.h"

/* Attribute values and text alike. Characters that XML 1.0 does not allow become U+FFFD; the text is UTF-8. */
static void xml(mq_str *out, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '&')
            mq_str_add(out, "&amp;");
        else if (c == '<')
            mq_str_add(out, "&lt;");
        else if (c == '>')
            mq_str_add(out, "&gt;");
        else if (c == '"')
            mq_str_add(out, "&quot;");
        else if (c == '\n' || c == '\t' || c == '\r')
            mq_str_addf(out, "&#%d;", c);
        else if (c < 0x20)
            mq_str_add(out, "\xef\xbf\xbd");
        else if (c == 0xef && (!strncmp(s, "\xef\xbf\xbe", 3) || !strncmp(s, "\xef\xbf\xbf", 3))) {
            mq_str_add(out, "\xef\xbf\xbd"); /* U+FFFE and U+FFFF are no characters of XML */
            s += 2;
        } else
            mq_str_add_n(out, s, 1);
    }
}

static void attribute(mq_str *out, const char *name, const char *value)
{
    mq_str_addf(out, " %s=\"", name);
    xml(out, value);
    mq_str_add(out, "\"");
}

static void begin_case(mq_str *out, const char *class, const char *name)
{
    mq_str_add(out, "    <testcase");
    attribute(out, "classname", class);
    attribute(out, "name", name);
}

/* The end of a case: what went wrong, or nothing. */
static void end_case(mq_str *out, const char *element, const char *type, const char *message)
{
    if (!element) {
        mq_str_add(out, "/>\n");
        return;
    }
    mq_str_addf(out, ">\n      <%s", element);
    attribute(out, "type", type);
    attribute(out, "message", message);
    mq_str_add(out, "/>\n    </testcase>\n");
}

static void bound_case(mq_str *out, const char *class, const json_t *bound)
{
    const char *tensor = mq_json_get_text(bound, "tensor");
    mq_str message = { 0 }, name = { 0 };

    mq_str_addf(&name, "%s%s%s", mq_json_get_text(bound, "name"), *tensor ? ": " : "", tensor);
    mq_str_addf(&message, "asked %s, got %s", mq_json_get_text(bound, "asked"), mq_json_get_text(bound, "got"));
    begin_case(out, class, name.s ? name.s : "");
    end_case(out, mq_json_get_bool(bound, "pass") ? NULL : "failure", "bound", message.s ? message.s : "");
    out->failed |= message.failed || name.failed;
    mq_str_release(&message);
    mq_str_release(&name);
}

static void finding_case(mq_str *out, const char *class, const json_t *finding)
{
    const char *code = mq_json_get_text(finding, "code"), *place = mq_json_get_text(finding, "place");
    mq_str name = { 0 };

    mq_str_addf(&name, "%s%s%s", code, *place ? ": " : "", place);
    begin_case(out, class, name.s ? name.s : "");
    end_case(out, "failure", code, mq_json_get_text(finding, "text"));
    out->failed |= name.failed;
    mq_str_release(&name);
}

static void warning_lines(mq_str *out, const json_t *list, bool is_finding)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *w = json_array_get(list, i);
        const char *place = mq_json_get_text(w, "place");
        if (is_finding && strcmp(mq_json_get_text(w, "level"), "error") == 0)
            continue;
        mq_str_addf(out, "warning: [%s] ", mq_json_get_text(w, "code"));
        if (*place)
            mq_str_addf(out, "%s: ", place);
        mq_str_addf(out, "%s\n", mq_json_get_text(w, "text"));
    }
}

/* Cases of bounds and findings; returns how many there are, and how many of them failed. */
static size_t cases(mq_str *out, const json_t *doc, const char *class, size_t *n_failed)
{
    const json_t *bounds = json_object_get(doc, "bounds"), *findings = json_object_get(doc, "findings");
    size_t n = json_array_size(bounds);

    *n_failed = 0;
    for (size_t i = 0; i < json_array_size(bounds); i++) {
        bound_case(out, class, json_array_get(bounds, i));
        *n_failed += !mq_json_get_bool(json_array_get(bounds, i), "pass");
    }
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *f = json_array_get(findings, i);
        if (strcmp(mq_json_get_text(f, "level"), "error") != 0)
            continue;
        finding_case(out, class, f);
        n++;
        ++*n_failed;
    }
    return n;
}

/* The command as a case of its own: the last one. */
static void command_case(mq_str *out, const json_t *doc, const char *class, const char *system_out)
{
    const json_t *error = json_object_get(doc, "error");

    begin_case(out, class, mq_json_get_text(json_object_get(doc, "tool"), "command"));
    if (!error && !*system_out) {
        end_case(out, NULL, "", "");
        return;
    }
    mq_str_add(out, ">\n");
    if (error) {
        mq_str_addf(out, "      <error type=\"exit-%lld\"", (long long)mq_json_get_int(error, "exit_status"));
        attribute(out, "message", mq_json_get_text(error, "text"));
        mq_str_add(out, "/>\n");
    }
    if (*system_out) {
        mq_str_add(out, "      <system-out>");
        xml(out, system_out);
        mq_str_add(out, "</system-out>\n");
    }
    mq_str_add(out, "    </testcase>\n");
}

void mq_render_junit(const json_t *doc, mq_str *out)
{
    const json_t *measured = json_object_get(doc, "measured");
    mq_str body = { 0 }, warnings = { 0 }, class = { 0 };
    size_t n, n_failed;
    double seconds = 0;
    int errors = json_object_get(doc, "error") != NULL;

    mq_str_addf(&class, "mq.%s", mq_json_get_text(json_object_get(doc, "tool"), "command"));
    mq_str_add(&warnings, "");
    warning_lines(&warnings, json_object_get(doc, "findings"), true);
    warning_lines(&warnings, json_object_get(doc, "warnings"), false);
    if (!class.failed && !warnings.failed) {
        n = cases(&body, doc, class.s, &n_failed) + 1;
        command_case(&body, doc, class.s, warnings.s);
        mq_json_get_real(measured, "seconds", &seconds);
        mq_str_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        mq_str_addf(out, "<testsuites name=\"mq\" tests=\"%zu\" failures=\"%zu\" errors=\"%d\">\n  <testsuite", n, n_failed,
                    errors);
        attribute(out, "name", class.s);
        mq_str_addf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%d\" skipped=\"0\" time=\"%.6f\">\n", n, n_failed, errors,
                    seconds);
        if (body.s)
            mq_str_add_n(out, body.s, body.n);
        mq_str_add(out, "  </testsuite>\n</testsuites>\n");
    }
    out->failed |= body.failed || warnings.failed || class.failed;
    mq_str_release(&body);
    mq_str_release(&warnings);
    mq_str_release(&class);
}
