/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reports in all their forms: order of the sections, verdicts, hostile names, numbers that are not finite, budgets. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/internal.h"

static mq_report *make(const char *command)
{
    mq_report *r = NULL;
    assert_int_equal(mq_report_create(&r, command, NULL), MQ_OK);
    return r;
}

static void warn(mq_report *r, const char *code, const char *place, const char *text)
{
    assert_int_equal(mq_report_add_warning(r, &(mq_warning){ code, place, text }, NULL), MQ_OK);
}

static void bound(mq_report *r, const char *name, bool pass)
{
    assert_int_equal(mq_report_add_bound(r, name, "<= 100%", "26.1%", pass, NULL), MQ_OK);
}

static void change(mq_report *r, const char *name, double sqnr)
{
    const char *const nodes[] = { "conv1" };
    const int64_t dims[] = { 64, 3, 7, 7 };

    mq_report_add_changed(r, &(mq_report_changed){
        .name = name, .nodes = nodes, .n_nodes = 1, .treatment = "qdq-weight", .from = MQ_FLOAT, .to = MQ_INT8,
        .dims = dims, .n_dims = 4, .axis = 0, .has_error = true, .sqnr_db = sqnr, .max_abs_error = 0.01,
        .bytes_before = 37632, .bytes_after = 9728 });
}

static void activate(mq_report *r, const char *name, double sqnr)
{
    mq_report_add_activation(r, &(mq_report_activation){
        .name = name, .node = name, .type = MQ_UINT8, .low = -1.5, .high = 6, .scale = 0.029, .zero_point = 51,
        .has_error = !isnan(sqnr), .sqnr_db = sqnr, .clipped = 7, .values = 4000 });
}

static void activate_with_histogram(mq_report *r)
{
    static const uint64_t bins[] = { 1, 0, 3, 1 };

    mq_report_add_activation(r, &(mq_report_activation){
        .name = "x", .node = "n", .type = MQ_INT8, .low = -1, .high = 1, .scale = 0.01, .histogram = bins, .n_bins = 4,
        .min = -2, .max = 2 });
}

static char *render(const mq_report *r, mq_report_form form)
{
    char *text = NULL;
    assert_int_equal(mq_report_render(r, form, &text, NULL), MQ_OK);
    return text;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' is in:\n%s", part, text);
}

static void sections_stand_in_their_order(void **state)
{
    static const char *const order[] = { "schema_version", "tool", "verdict", "bounds", "findings", "proof", "changed",
                                         "activations",
                                         "kept", "warnings", "worst_layers", "options", "files", "measured" };
    mq_report *r = make("quantize");
    json_t *doc;
    size_t i = 0;

    (void)state;
    mq_report_add_file(r, "input", "m.onnx", 10, NULL);
    assert_int_equal(mq_report_add_option(r, "type", "\"int8\"", NULL), MQ_OK);
    warn(r, "c", "p", "t");
    mq_report_add_kept(r, &(mq_report_kept){ .name = "b", .node = "n", .op_type = "Conv", .type = MQ_FLOAT, .bytes = 4,
                                             .code = "too-small", .reason = "too small" });
    change(r, "w", 40);
    activate(r, "x", 40);
    mq_report_set_proof(r, "load", true, "read again and checked");
    mq_report_add_finding(r, MQ_REPORT_ERROR, "c", "p", "t");
    bound(r, "max-size", true);
    doc = mq_report_document(r);
    assert_non_null(doc);
    for (void *it = json_object_iter(doc); it; it = json_object_iter_next(doc, it))
        assert_string_equal(json_object_iter_key(it), order[i++]);
    assert_int_equal(i, sizeof order / sizeof *order);
    json_decref(doc);
    mq_report_free(r);
}

static void verdict_follows_bounds_findings_and_errors(void **state)
{
    mq_report *r = make("check");
    char *text;

    (void)state;
    bound(r, "a", true);
    mq_report_add_finding(r, MQ_REPORT_WARNING, "c", "p", "t");
    assert_int_equal(mq_report_n_missed(r), 0);
    assert_int_equal(mq_report_n_warnings(r), 1);
    text = render(r, MQ_REPORT_TEXT);
    assert_has(text, "verdict  pass\n");
    free(text);
    mq_report_add_finding(r, MQ_REPORT_ERROR, "c", "p", "t");
    bound(r, "b", false);
    assert_int_equal(mq_report_n_missed(r), 2);
    text = render(r, MQ_REPORT_TEXT);
    assert_has(text, "verdict  fail\n");
    assert_has(text, "MISSED  b");
    free(text);
    assert_int_equal(mq_report_set_error(r, 3, "not a model", NULL), MQ_OK);
    text = render(r, MQ_REPORT_TEXT);
    assert_has(text, "verdict  error: not a model\n");
    free(text);
    mq_report_free(r);
}

static void reports_are_equal_but_for_measured(void **state)
{
    json_t *docs[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        mq_report *r = make("quantize");
        change(r, "w", 40);
        assert_int_equal(mq_report_add_step(r, "load", i * 0.5, NULL), MQ_OK);
        docs[i] = mq_report_document(r);
        mq_report_free(r);
    }
    assert_false(json_equal(docs[0], docs[1]));
    for (int i = 0; i < 2; i++)
        json_object_del(docs[i], "measured");
    assert_true(json_equal(docs[0], docs[1]));
    json_decref(docs[0]);
    json_decref(docs[1]);
}

static void numbers_that_are_not_finite_are_null(void **state)
{
    mq_report *r = make("quantize");
    char *text;

    (void)state;
    change(r, "exact", INFINITY);
    change(r, "broken", NAN);
    text = render(r, MQ_REPORT_JSON);
    assert_has(text, "\"sqnr_db\": null");
    assert_has_not(text, "worst_layers");
    free(text);
    text = render(r, MQ_REPORT_MARKDOWN);
    assert_has(text, "exact");
    free(text);
    mq_report_free(r);
}

static void worst_layers_are_the_five_lowest_in_order(void **state)
{
    static const double sqnr[] = { 44, 12, 30, 50, 12, 8, 60, 29 };
    static const double want[] = { 8, 12, 12, 29, 30 };
    mq_report *r = make("quantize");
    json_t *doc, *worst;

    (void)state;
    for (size_t i = 0; i < sizeof sqnr / sizeof *sqnr; i++) {
        char name[8] = { 'w', (char)('0' + i) };
        change(r, name, sqnr[i]);
    }
    doc = mq_report_document(r);
    worst = json_object_get(doc, "worst_layers");
    assert_int_equal(json_array_size(worst), 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(json_number_value(json_object_get(json_array_get(worst, i), "sqnr_db")) == want[i]);
    assert_string_equal(mq_json_get_text(json_array_get(worst, 1), "name"), "w1"); /* ties: the first stays first */
    json_decref(doc);
    mq_report_free(r);
}

static void same_warning_twice_is_one_entry(void **state)
{
    mq_report *r = make("quantize");
    json_t *doc, *list;

    (void)state;
    warn(r, "clipped", "a", "3 values");
    warn(r, "clipped", "b", "3 values");
    warn(r, "clipped", "a", "3 values");
    assert_int_equal(mq_report_n_warnings(r), 3);
    doc = mq_report_document(r);
    list = json_object_get(doc, "warnings");
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(mq_json_get_int(json_array_get(list, 0), "count"), 2);
    json_decref(doc);
    mq_report_free(r);
}

static void names_of_any_bytes_are_written(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "plain", "plain" },
        { "\xc3\xa9", "\xc3\xa9" },
        { "a\xffz", "a\xef\xbf\xbdz" },
        { "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },                         /* overlong */
        { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },         /* a surrogate */
        { "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* over U+10FFFF */
        { "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },                         /* cut short */
        { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
    };
    static const mq_report_form forms[] = { MQ_REPORT_JSON, MQ_REPORT_MARKDOWN, MQ_REPORT_JUNIT, MQ_REPORT_TEXT,
                                            MQ_REPORT_HTML };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *clean = mq_utf8_clean(cases[i].in);
        assert_string_equal(clean, cases[i].out);
        free(clean);
    }
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        mq_report *r = make("quantize");
        char *text;
        change(r, "a\xff\x01`|<&\n\"]]>", 3);
        warn(r, "code", "\xff\x1b[31m", "it's <b>|\xfe</b> @everyone");
        bound(r, "name\x02<\"&|", false);
        mq_report_add_finding(r, MQ_REPORT_ERROR, "x", "\x07\xef\xbf\xbe", "<>");
        text = render(r, forms[i]);
        assert_true(strlen(text) > 0);
        assert_has_not(text, "\xff");
        assert_has_not(text, "\x1b");
        assert_has_not(text, "\x01");
        assert_has_not(text, "\x07");
        if (forms[i] == MQ_REPORT_MARKDOWN)
            assert_has_not(text, "@everyone");
        free(text);
        mq_report_free(r);
    }
}

static void markdown_stays_under_its_size(void **state)
{
    mq_report *r = make("quantize");
    char name[600], *text;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        memset(name, '<', sizeof name);
        snprintf(name + 580, 20, "%d", i);
        change(r, name, i);
        activate(r, name, i);
        warn(r, i % 2 ? name : "code", name, name);
        bound(r, name, i % 2);
        mq_report_add_finding(r, MQ_REPORT_ERROR, name, name, name);
        mq_report_add_kept(
            r, &(mq_report_kept){ .name = name, .node = name, .op_type = name, .code = name, .reason = name });
        mq_report_add_file(r, name, name, 1, name);
        assert_int_equal(mq_report_add_option(r, name, "[\"<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<\"]", NULL), MQ_OK);
        mq_report_put_text(r, mq_report_section(r, "model"), name, name);
        mq_report_put_int(r, mq_report_object(r, mq_report_section(r, "before"), "operators"), name, i);
        assert_int_equal(mq_report_add_step(r, name, 1, NULL), MQ_OK);
    }
    assert_int_equal(mq_report_set_error(r, 5, name, NULL), MQ_OK);
    text = render(r, MQ_REPORT_MARKDOWN);
    assert_in_range(strlen(text), 10000, 60000);
    assert_has(text, " more\n");
    free(text);
    mq_report_free(r);
}

static void agree(mq_report *r, const char *tensor, bool output, double sqnr, double cosine)
{
    json_t *e = mq_report_append(r, mq_report_section(r, "agreement"));

    mq_report_put_text(r, e, "tensor", tensor);
    mq_report_put_bool(r, e, "output", output);
    mq_report_put_bool(r, e, "ok", true);
    mq_report_put_int(r, e, "differ", 1);
    mq_report_put_real(r, e, "sqnr_db", sqnr);
    mq_report_put_real(r, e, "cosine", cosine);
}

static void html_lets_no_name_be_markup(void **state)
{
    static const char evil[] = "\"'><script>alert(1)</script>&amp;";
    mq_report *r = make(evil);
    char *text;

    (void)state;
    change(r, evil, 40);
    activate(r, evil, 30);
    activate(r, "other", 20);
    change(r, "other", 3);
    agree(r, evil, false, 30, 0.5);
    agree(r, "other", true, 20, 0.5);
    warn(r, evil, evil, evil);
    bound(r, evil, false);
    mq_report_add_finding(r, MQ_REPORT_ERROR, evil, evil, evil);
    mq_report_add_kept(r,
                       &(mq_report_kept){ .name = evil, .node = evil, .op_type = evil, .code = evil, .reason = evil });
    mq_report_add_file(r, evil, evil, 1, evil);
    mq_report_set_mode(r, evil, evil);
    mq_report_set_proof(r, evil, true, evil);
    assert_int_equal(mq_report_add_option(r, evil, "{\"<script>\": [\"<script>\", {\"<script>\": 1}]}", NULL), MQ_OK);
    mq_report_put_text(r, mq_report_section(r, "model"), evil, evil);
    mq_report_put_int(r, mq_report_object(r, mq_report_section(r, "before"), "operators"), evil, 1);
    assert_int_equal(mq_report_add_step(r, evil, 1, NULL), MQ_OK);
    assert_int_equal(mq_report_set_error(r, 5, evil, NULL), MQ_OK);
    text = render(r, MQ_REPORT_HTML);
    assert_has_not(text, "<script");
    assert_has_not(text, "\"'>");
    assert_has_not(text, "&amp;");
    assert_has(text, "&#34;&#39;&#62;&#60;script&#62;alert(1)&#60;/script&#62;&#38;amp;");
    free(text);
    mq_report_free(r);
}

static void html_plots_along_the_graph(void **state)
{
    mq_report *r = make("quantize");
    char *text;

    (void)state;
    change(r, "first", 40);
    change(r, "second", INFINITY);
    change(r, "third", -10);
    agree(r, "result", true, 25, 0.875);
    text = render(r, MQ_REPORT_HTML);
    assert_has(text, "viewBox=\"0 0 3 100\"");
    assert_has(text, "x=\"0.1\" width=\".8\" y=\"0.00\" height=\"80.00\"><title>first: 40.0 dB<");
    assert_has(text, "class=\"exact\" x=\"1.1\" width=\".8\" y=\"0.00\" height=\"80.00\"><title>second: exact<");
    assert_has(text, "class=\"low\" x=\"2.1\" width=\".8\" y=\"80.00\" height=\"20.00\"><title>third: -10.0 dB<");
    assert_has_not(text, "<title>result"); /* one tensor is no course */
    free(text);
    agree(r, "inside", false, 20, 0.75);
    text = render(r, MQ_REPORT_HTML);
    assert_has(text, "x=\"0.1\" width=\".8\" y=\"20.00\" height=\"80.00\"><title>inside: 20.0 dB, cosine 0.750000<");
    assert_has(text, "x=\"1.1\" width=\".8\" y=\"0.00\" height=\"100.00\"><title>result: 25.0 dB, cosine 0.875000<");
    free(text);
    mq_report_free(r);
}

static void activations_are_in_every_long_form(void **state)
{
    mq_report *r = make("quantize");
    char *text;

    (void)state;
    activate(r, "seen", 30.25);
    activate(r, "constant", NAN);
    activate(r, "exact", INFINITY);
    text = render(r, MQ_REPORT_JSON);
    assert_has(text, "\"zero_point\": 51,");
    assert_has(text, "\"sqnr_db\": null,");
    free(text);
    text = render(r, MQ_REPORT_MARKDOWN);
    assert_has(text, "| `seen` | uint8 | -1.5 | 6 | 30.2 dB | 7 of 4000 |");
    assert_has(text, "| `constant` | uint8 | -1.5 | 6 | - |  |");
    free(text);
    text = render(r, MQ_REPORT_HTML);
    assert_has(text, "<title>seen: 30.2 dB<");
    assert_has(text, "<title>exact: exact<");
    assert_has_not(text, "<title>constant");
    assert_has(text, "<code>constant</code>");
    free(text);
    mq_report_free(r);
}

static void html_shows_what_a_range_clips(void **state)
{
    mq_report *r = make("quantize");
    char *text;

    (void)state;
    activate_with_histogram(r);
    text = render(r, MQ_REPORT_HTML);
    assert_has(text, "aria-label=\"-2 to 2\" viewBox=\"0 0 4 100\"");
    assert_has(text, "<rect class=\"low\" x=\"0\" width=\"1\" y=\"50.0\" height=\"50.0\"/>"
                     "<rect class=\"bar\" x=\"2\" width=\"1\" y=\"0.0\" height=\"100.0\"/>"
                     "<rect class=\"low\" x=\"3\" width=\"1\" y=\"50.0\" height=\"50.0\"/></svg>");
    free(text);
    mq_report_free(r);
}

static void sensitivity_in_all_forms(void **state)
{
    static const mq_report_point points[] = { { 0, INFINITY, 0.75 }, { 0.1, 33.25, 0.75 }, { 0.2, 21.5, 0.5 } };
    mq_report *r = make("prune");
    char *text;

    (void)state;
    mq_report_add_sensitivity(r, &(mq_report_sensitivity){ "conv|1<b>", "top1", 16, points, 3 });
    mq_report_add_sensitivity(r, &(mq_report_sensitivity){ "conv2", NULL, 16, points, 1 });
    text = render(r, MQ_REPORT_MARKDOWN);
    assert_has(text, "| 0, 0.1, 0.2 | -, 33.2, 21.5 | 0.75, 0.75, 0.5 |");
    free(text);
    text = render(r, MQ_REPORT_HTML);
    assert_has(text, "signal to noise of the outputs, dB: 21.5 to 33.25");
    assert_has(text, "top1: 0.5 to 0.75");
    assert_has_not(text, "1<b>");
    free(text);
    mq_report_free(r);
}

static void junit_counts_cases(void **state)
{
    mq_report *r = make("check");
    char *text;

    (void)state;
    bound(r, "max-size", true);
    bound(r, "max-drop", false);
    mq_report_add_finding(r, MQ_REPORT_ERROR, "cycle", "n", "a & b");
    mq_report_add_finding(r, MQ_REPORT_WARNING, "dead", "m", "unused");
    warn(r, "w", "", "something");
    text = render(r, MQ_REPORT_JUNIT);
    assert_has(text, "tests=\"4\" failures=\"2\" errors=\"0\"");
    assert_has(text, "message=\"a &amp; b\"");
    assert_has(text, "warning: [dead] m: unused");
    assert_has(text, "warning: [w] something");
    free(text);
    mq_report_free(r);
}

static void options_are_kept_as_given_and_the_last_wins(void **state)
{
    mq_report *r = make("quantize");
    mq_error err;
    char *text;

    (void)state;
    assert_int_equal(mq_report_add_option(r, "percentile", "99.99", &err), MQ_OK);
    assert_int_equal(mq_report_add_option(r, "type", "\"uint8\"", &err), MQ_OK);
    assert_int_equal(mq_report_add_option(r, "type", "\"int8\"", &err), MQ_OK);
    assert_int_equal(mq_report_add_option(r, "nodes", "[\"a\xff\"]", &err), MQ_OK);
    assert_int_equal(mq_report_add_option(r, "type", "int8", &err), MQ_ERR_USAGE);
    text = render(r, MQ_REPORT_JSON);
    assert_has(text, "\"percentile\": 99.99,");
    assert_has(text, "\"type\": \"int8\",");
    free(text);
    mq_report_free(r);
}

static void form_comes_from_the_name(void **state)
{
    static const char *const names[] = { "r.json", "r.md", "r.XML" };
    mq_report *r = make("quantize");
    char dir[] = "mq-report-XXXXXX", path[64];
    mq_error err = { 0 };

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        assert_int_equal(mq_report_write(r, MQ_REPORT_AUTO, path, &err), MQ_OK);
        assert_int_equal(mq_report_write(r, MQ_REPORT_AUTO, path, &err), MQ_OK); /* replaced without being asked */
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(mq_report_write(r, MQ_REPORT_AUTO, "r.txt", &err), MQ_ERR_USAGE);
    assert_has(err.text, "json:r.txt");
    snprintf(path, sizeof path, "%s/no/r.json", dir);
    assert_int_equal(mq_report_write(r, MQ_REPORT_AUTO, path, &err), MQ_ERR_SYSTEM);
    assert_int_equal(rmdir(dir), 0);
    mq_report_free(r);
}

static void no_report_is_no_trouble(void **state)
{
    (void)state;
    mq_report_add_finding(NULL, MQ_REPORT_ERROR, "c", "p", "t");
    mq_report_add_changed(NULL, &(mq_report_changed){ .name = "w" });
    mq_report_put_int(NULL, mq_report_section(NULL, "model"), "n", 1);
    assert_int_equal(mq_report_status(NULL, NULL), MQ_OK);
    mq_report_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_stand_in_their_order),
        cmocka_unit_test(verdict_follows_bounds_findings_and_errors),
        cmocka_unit_test(reports_are_equal_but_for_measured),
        cmocka_unit_test(numbers_that_are_not_finite_are_null),
        cmocka_unit_test(worst_layers_are_the_five_lowest_in_order),
        cmocka_unit_test(same_warning_twice_is_one_entry),
        cmocka_unit_test(names_of_any_bytes_are_written),
        cmocka_unit_test(markdown_stays_under_its_size),
        cmocka_unit_test(html_lets_no_name_be_markup),
        cmocka_unit_test(html_plots_along_the_graph),
        cmocka_unit_test(activations_are_in_every_long_form),
        cmocka_unit_test(html_shows_what_a_range_clips),
        cmocka_unit_test(sensitivity_in_all_forms),
        cmocka_unit_test(junit_counts_cases),
        cmocka_unit_test(options_are_kept_as_given_and_the_last_wins),
        cmocka_unit_test(form_comes_from_the_name),
        cmocka_unit_test(no_report_is_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
