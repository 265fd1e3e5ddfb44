/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which column of a table feeds which input, and how. Names decide; then, for a model with one input, what is left
 * over. Ranks decide how: equal to the input's, axis 0 is the batch axis (or the array is given whole, when the
 * input has none); one above, each row is a run. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "data/convert.h"
#include "data/dataset.h"
#include "model/onnx_info.h"

const mq_type *mq_port_type(const mq_value *v)
{
    return v->type ? v->type : v->declared;
}

bool mq_port_required(const mq_value *v)
{
    return !v->init && !v->sparse;
}

static int rank_of(const mq_value *v)
{
    const mq_type *t = mq_port_type(v);

    return t && t->kind == MQ_TYPE_TENSOR ? t->rank : -1;
}

static mq_dtype dtype_of(const mq_value *v)
{
    const mq_type *t = mq_port_type(v);

    return t && t->kind == MQ_TYPE_TENSOR ? t->dtype : MQ_UNDEFINED;
}

/* ---- saying what does not fit -------------------------------------------------------------------------------------- */

static void list_inputs(mq_str *s, const mq_dataset *ds)
{
    char text[300];

    for (size_t i = 0, n = 0; i < ds->n_inputs; i++) {
        if (!mq_port_required(ds->inputs[i]))
            continue;
        mq_type_text(mq_port_type(ds->inputs[i]), text, sizeof text);
        mq_str_addf(s, "%s'%s' %s", n++ ? ", " : "", ds->inputs[i]->name, text);
    }
}

static void list_columns(mq_str *s, const mq_table *t)
{
    char text[300];
    size_t n = 0;

    for (size_t i = 0; i < t->n_columns; i++) {
        mq_column_text(&t->columns[i], text, sizeof text);
        if (*t->columns[i].name)
            mq_str_addf(s, "%s'%s' %s", n++ ? ", " : "", t->columns[i].name, text);
        else if (!t->calls)
            mq_str_addf(s, "%s%s", n++ ? ", " : "", text);
    }
    if (!n)
        mq_str_add(s, "nothing");
}

mq_status mq_mismatch(const mq_dataset *ds, const mq_part *s, mq_status status, mq_error *err, const char *fmt, ...)
{
    mq_str b = { 0 };
    char what[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    mq_str_addf(&b, "%s; the model wants: ", what);
    list_inputs(&b, ds);
    if (s) {
        mq_str_addf(&b, "; %s has: ", s->table->path);
        list_columns(&b, s->table);
    }
    status = b.failed ? mq_oom(err) : mq_fail(err, status, "%s", b.s);
    mq_str_release(&b);
    return status;
}

/* ---- shapes -------------------------------------------------------------------------------------------------------- */

/* A column's shape as the input will see it: after preprocessing. axes: of the whole array for dense columns, else
 * of a row. */
static int seen_shape(const mq_dataset *ds, size_t input, const mq_column *c, int64_t *dims)
{
    const mq_pipeline *p = ds->pipelines[input];
    const int lead = c->dense ? 1 : 0;

    memcpy(dims, c->dims, sizeof c->dims);
    if (!p || !(c->image || c->rank - lead == 3 || c->rank - lead == 2))
        return c->rank;
    mq_pipeline_dims(p, dims + lead);
    return lead + 3;
}

static bool dims_fit(const mq_dim *want, const int64_t *have, int n)
{
    for (int i = 0; i < n; i++)
        if (have[i] >= 0 && mq_dim_known(want[i]) && want[i].value != have[i])
            return false;
    return true;
}

/* Can elements of that type become the input's? Numbers become integers where the model says by which scale. */
static bool can_feed(const mq_value *input, mq_dtype from)
{
    mq_edge edge;

    return mq_can_convert(from, dtype_of(input)) || (mq_dtype_is_float(from) && mq_edge_get(input, &edge));
}

/* Could the column feed the input at all? */
static bool column_fits(const mq_dataset *ds, size_t input, const mq_column *c)
{
    const mq_type *t = mq_port_type(ds->inputs[input]);
    const int want = rank_of(ds->inputs[input]);
    int64_t dims[MQ_MAX_RANK + 3];
    const int rank = seen_shape(ds, input, c, dims), batched = rank + (c->dense ? 0 : 1);

    if (want < 0 || rank < 0)
        return true;
    if (c->dtype && dtype_of(ds->inputs[input]) && !can_feed(ds->inputs[input], c->dtype) &&
        !ds->pipelines[input])
        return false;
    if (batched == want) /* axis 0 may be the batch, or the array whole */
        return want == 0 || dims_fit(t->dims + 1, dims + (c->dense ? 1 : 0), want - 1);
    return batched == want + 1 && dims_fit(t->dims, dims + (c->dense ? 1 : 0), want);
}

/* ---- names --------------------------------------------------------------------------------------------------------- */

static int port_named(const mq_value *const *ports, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(ports[i]->name, name) == 0)
            return (int)i;
    return -1;
}

/* Does something else than this table's arrays give the input? */
static bool given_elsewhere(const mq_dataset *ds, size_t input)
{
    return ds->grouped[input] || ds->carry[input] >= 0;
}

/* The one input that must be fed and that nothing else gives; -1: none, or several. */
static int open_input(const mq_dataset *ds, const mq_part *s)
{
    int only = -1;

    for (size_t i = 0; i < ds->n_inputs; i++) {
        if (!mq_port_required(ds->inputs[i]) || given_elsewhere(ds, i) || ds->fills[i])
            continue;
        if (only >= 0 || s->in[i].column >= 0)
            return -1;
        only = (int)i;
    }
    return only;
}

/* For pictures: the one input that a --preprocess is for, else the one that has the rank of pictures. */
static int picture_input(const mq_dataset *ds)
{
    int only = -1;

    for (int pass = 0; pass < 2 && only < 0; pass++)
        for (size_t i = 0; i < ds->n_inputs; i++) {
            const int rank = rank_of(ds->inputs[i]);

            if (!mq_port_required(ds->inputs[i]) || given_elsewhere(ds, i))
                continue;
            if (pass == 0 ? ds->pipelines[i] != NULL : rank == 4 || rank == 3 || rank < 0) {
                if (only >= 0)
                    return -1;
                only = (int)i;
            }
        }
    return only;
}

static mq_status note_unused(mq_dataset *ds, const mq_part *s, const bool *used, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < s->table->n_columns && rc == MQ_OK; i++)
        if (!used[i] && !(s->spec.key && strcmp(s->spec.key, s->table->columns[i].name) != 0))
            rc = mq_dataset_note(ds, err, "%s: '%s' is not used", s->table->path, s->table->columns[i].name);
    return rc;
}

/* The column that is left over, or of several the one that fits. */
static int left_over(const mq_dataset *ds, const mq_part *s, size_t input, const bool *used, size_t *n_left)
{
    int last = -1, fitting = -1;
    size_t n_fitting = 0;

    *n_left = 0;
    for (size_t i = 0; i < s->table->n_columns; i++) {
        if (used[i] || (s->spec.key && strcmp(s->spec.key, s->table->columns[i].name) != 0))
            continue;
        last = (int)i;
        ++*n_left;
        if (column_fits(ds, input, &s->table->columns[i])) {
            fitting = (int)i;
            n_fitting++;
        }
    }
    return *n_left == 1 ? last : n_fitting == 1 ? fitting : -1;
}

static mq_status match_left_over(mq_dataset *ds, mq_part *s, bool *used, mq_error *err)
{
    const mq_table *t = s->table;
    const bool image = t->n_columns == 1 && t->columns[0].image;
    const int input = s->spec.input >= 0 ? s->spec.input : image ? picture_input(ds) : open_input(ds, s);
    size_t n_left;
    int column;

    if (input < 0 && image)
        return mq_mismatch(ds, s, MQ_ERR_USAGE, err, "%s: which input takes the pictures? write INPUT=%s", t->path, t->path);
    if (input < 0 || s->in[input].column >= 0)
        return MQ_OK;
    column = left_over(ds, s, (size_t)input, used, &n_left);
    if (column < 0 && n_left > 1 && s->spec.input >= 0)
        return mq_mismatch(ds, s, MQ_ERR_USAGE, err, "%s has several arrays: FILE:KEY says which feeds '%s'", t->path,
                           ds->inputs[input]->name);
    if (column < 0)
        return MQ_OK;
    used[column] = true;
    s->in[input].column = column;
    if (!*t->columns[column].name || s->spec.input >= 0)
        return MQ_OK;
    return mq_dataset_note(ds, err, "'%s' feeds '%s'", t->columns[column].name, ds->inputs[input]->name);
}

static mq_status match_names(mq_dataset *ds, mq_part *s, bool *used, mq_error *err)
{
    const mq_table *t = s->table;
    mq_status rc = MQ_OK;

    if (s->spec.key && mq_table_find(t, s->spec.key) < 0)
        return mq_mismatch(ds, s, MQ_ERR_INPUT, err, "%s has no array '%s'", t->path, s->spec.key);
    for (size_t i = 0; i < t->n_columns && rc == MQ_OK; i++) {
        const char *name = t->columns[i].name;
        const int in = port_named(ds->inputs, ds->n_inputs, name), want = port_named(ds->outputs, ds->n_outputs, name);

        if (!*name || (s->spec.key && strcmp(s->spec.key, name) != 0) || (s->spec.input >= 0 && in != s->spec.input))
            continue;
        if (in >= 0 && given_elsewhere(ds, (size_t)in) && s->spec.input < 0) {
            used[i] = true;
            rc = mq_dataset_note(ds, err, "%s: '%s' is not used: the input is %s", t->path, name,
                                 ds->carry[in] >= 0 ? "carried" : "given by another --data");
        } else if (in >= 0) {
            used[i] = true;
            s->in[in].column = (int)i;
        } else if (want >= 0) {
            used[i] = true;
            s->want[want].column = (int)i;
        }
    }
    return rc;
}

/* ---- modes --------------------------------------------------------------------------------------------------------- */

static bool has_column(const mq_feed *f)
{
    return f->column >= 0;
}

/* How many samples dense columns hold: along axis 0 of an array one rank above its input, or of the first one whose
 * input has an open axis 0, or else of the first that is not exactly its input. -1: no dense column says. *symbol:
 * of the axis that said it. */
static int64_t count_rows(const mq_dataset *ds, const mq_part *s, const char **symbol)
{
    int64_t fallback = -1, differs = -1, opened = -1;

    *symbol = NULL;
    for (size_t i = 0; i < ds->n_inputs; i++) {
        const mq_column *c = has_column(&s->in[i]) ? &s->table->columns[s->in[i].column] : NULL;
        const mq_type *t = mq_port_type(ds->inputs[i]);
        const int want = rank_of(ds->inputs[i]);
        int64_t dims[MQ_MAX_RANK + 3];
        int rank;

        if (!c || !c->dense || c->rank < 1)
            continue;
        rank = seen_shape(ds, i, c, dims);
        if (want >= 0 && rank == want + 1)
            return dims[0];
        if (want < 0 || !mq_dim_known(t->dims[0])) {
            *symbol = opened < 0 && want > 0 ? t->dims[0].symbol : *symbol;
            opened = opened < 0 ? dims[0] : opened;
        } else if (t->dims[0].value != dims[0]) {
            differs = differs < 0 ? dims[0] : differs;
        } else {
            fallback = fallback < 0 ? dims[0] : fallback;
        }
    }
    return opened >= 0 ? opened : differs >= 0 ? differs : fallback;
}

/* Of an array whose rank is its input's: batched or whole? -1: neither fits. opened: some input's axis 0 is open. */
static int mode_of_equal(const mq_type *t, const int64_t *dims, int64_t n_rows, const char *symbol, bool any_open)
{
    const bool open = t->rank > 0 && !mq_dim_known(t->dims[0]);

    if (t->rank == 0)
        return MQ_FEED_WHOLE;
    if (!open && t->dims[0].value == dims[0] && (any_open || dims[0] != n_rows))
        return MQ_FEED_WHOLE;
    if (dims[0] == n_rows && (open || t->dims[0].value > 0))
        return MQ_FEED_STACK;
    return open && t->dims[0].symbol && !(symbol && strcmp(symbol, t->dims[0].symbol) == 0) ? MQ_FEED_WHOLE : -1;
}

/* An array like [layers, samples, units] for a state like [layers, batch, units]? */
static bool is_state(const mq_type *t, const int64_t *dims, int64_t n_rows, const char *symbol)
{
    return t->rank == 3 && t->dtype != MQ_STRING && n_rows > 1 && dims[1] == n_rows && dims[0] != n_rows &&
           mq_dim_known(t->dims[0]) && t->dims[0].value == dims[0] && !mq_dim_known(t->dims[1]) &&
           mq_dim_known(t->dims[2]) && t->dims[2].value == dims[2] &&
           (!t->dims[1].symbol || !symbol || strcmp(t->dims[1].symbol, symbol) == 0);
}

bool mq_column_is_state(const mq_column *c, const mq_value *input, int64_t n_rows)
{
    const mq_type *t = mq_port_type(input);

    return c->dense && t && t->kind == MQ_TYPE_TENSOR && t->rank == c->rank && mq_dtype_bits(c->dtype) >= 8 &&
           mq_dtype_bits(t->dtype) >= 8 && is_state(t, c->dims, n_rows, NULL);
}

static bool any_open_axis(const mq_dataset *ds, const mq_part *s)
{
    for (size_t i = 0; i < ds->n_inputs; i++) {
        const mq_type *t = mq_port_type(ds->inputs[i]);

        if (has_column(&s->in[i]) && rank_of(ds->inputs[i]) > 0 && !mq_dim_known(t->dims[0]))
            return true;
    }
    return false;
}

static mq_status misfit(const mq_dataset *ds, const mq_part *s, size_t input, const mq_column *c, mq_error *err)
{
    char have[300], want[300];

    mq_column_text(c, have, sizeof have);
    mq_type_text(mq_port_type(ds->inputs[input]), want, sizeof want);
    return mq_mismatch(ds, s, MQ_ERR_INPUT, err, "%s%s%s: %s does not fit input '%s', which is %s", s->table->path,
                       *c->name ? ":" : "", c->name, have, ds->inputs[input]->name, want);
}

static mq_status check_type(const mq_dataset *ds, const mq_part *s, size_t input, const mq_column *c, mq_error *err)
{
    const mq_dtype want = dtype_of(ds->inputs[input]);
    mq_edge edge;

    if (ds->pipelines[input] || !c->dtype || !want)
        return MQ_OK;
    if ((c->image && mq_edge_get(ds->inputs[input], &edge)) ||
        ((c->image || c->dtype == MQ_UINT8) && mq_dtype_is_float(want)))
        return mq_fail(err, MQ_ERR_USAGE,
                       "%s%s%s: input '%s' is %s, and the data are %s: --preprocess says how they become it (%s)",
                       s->table->path, *c->name ? ":" : "", c->name, ds->inputs[input]->name, mq_dtype_name(want),
                       c->image ? "pictures" : "uint8", MQ_PRESETS);
    return can_feed(ds->inputs[input], c->dtype) ? MQ_OK : misfit(ds, s, input, c, err);
}

static mq_status set_mode(mq_dataset *ds, mq_part *s, size_t input, int64_t n_rows, const char *symbol, mq_error *err)
{
    const mq_column *c = &s->table->columns[s->in[input].column];
    const mq_type *t = mq_port_type(ds->inputs[input]);
    const int want = rank_of(ds->inputs[input]);
    int64_t dims[MQ_MAX_RANK + 3];
    const int rank = seen_shape(ds, input, c, dims), lead = c->dense ? 1 : 0;
    int mode = MQ_FEED_STACK;
    mq_status rc = check_type(ds, s, input, c, err);

    if (rc != MQ_OK)
        return rc;
    if (want < 0 || rank < 0) {
        mode = s->table->calls ? MQ_FEED_SINGLE : c->dense && rank < 1 ? MQ_FEED_WHOLE : MQ_FEED_STACK;
    } else if (rank - lead == want) {
        mode = MQ_FEED_SINGLE;
        if (!dims_fit(t->dims, dims + lead, want) || (lead && dims[0] != n_rows))
            return misfit(ds, s, input, c, err);
    } else if (rank - lead == want - 1) {
        if (c->dense && mq_dtype_bits(c->dtype) >= 8 && mq_dtype_bits(t->dtype) >= 8 && is_state(t, dims, n_rows, symbol))
            mode = MQ_FEED_STATE;
        else if (c->dense)
            mode = mode_of_equal(t, dims, n_rows, symbol, any_open_axis(ds, s));
        if (mode < 0 || (mode != MQ_FEED_STATE && want > 0 &&
                         !dims_fit(t->dims + 1, dims + lead, want - 1)))
            return misfit(ds, s, input, c, err);
    } else {
        return misfit(ds, s, input, c, err);
    }
    s->in[input].mode = (mq_feed_mode)mode;
    s->single |= mode == MQ_FEED_SINGLE;
    return MQ_OK;
}

/* A reference output: rows of it, or the whole when there is one run. -1: it cannot be used. */
static int mode_of_want(const mq_part *s, const mq_column *c, int rank)
{
    const bool rows = c->dense && c->rank > 0 && (uint64_t)c->dims[0] == s->table->n_rows;

    if (!c->dense)
        return s->table->calls || (rank >= 0 && c->rank == rank) ? MQ_FEED_SINGLE : MQ_FEED_STACK;
    if (rows && rank >= 0 && c->rank == rank + 1)
        return s->single ? MQ_FEED_SINGLE : -1;
    if (rows && (rank < 0 || c->rank == rank))
        return rank < 0 && s->single ? MQ_FEED_SINGLE : MQ_FEED_STACK;
    return s->table->n_rows == 1 && (rank < 0 || c->rank == rank) ? MQ_FEED_WHOLE : -1;
}

static mq_status set_want_modes(mq_dataset *ds, mq_part *s, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < ds->n_outputs && rc == MQ_OK; i++) {
        const mq_column *c = has_column(&s->want[i]) ? &s->table->columns[s->want[i].column] : NULL;
        char have[300];
        int mode;

        if (!c)
            continue;
        mode = mode_of_want(s, c, rank_of(ds->outputs[i]));
        if (mode >= 0) {
            s->want[i].mode = (mq_feed_mode)mode;
            continue;
        }
        s->want[i].column = -1;
        mq_column_text(c, have, sizeof have);
        rc = mq_dataset_note(ds, err, "%s: '%s' (%s) is not used as the reference of the output: the data have %llu samples",
                             s->table->path, c->name, have, (unsigned long long)s->table->n_rows);
    }
    return rc;
}

static mq_status set_modes(mq_dataset *ds, mq_part *s, mq_error *err)
{
    const char *symbol = NULL;
    const int64_t counted = count_rows(ds, s, &symbol);
    bool all_whole = true;
    mq_status rc = MQ_OK;

    if (counted >= 0)
        s->table->n_rows = (uint64_t)counted;
    for (size_t i = 0; i < ds->n_inputs && rc == MQ_OK; i++) {
        if (!has_column(&s->in[i]))
            continue;
        rc = set_mode(ds, s, i, counted >= 0 ? counted : (int64_t)s->table->n_rows, symbol, err);
        all_whole &= s->in[i].mode == MQ_FEED_WHOLE;
    }
    if (rc == MQ_OK && all_whole && counted < 0 && !s->table->calls && s->table->n_columns && s->table->columns[0].dense)
        s->table->n_rows = 1; /* scalars alone are one sample */
    if (rc == MQ_OK && all_whole && counted >= 0) {
        s->single = true; /* nothing but whole inputs: one run */
        s->table->n_rows = 1;
    }
    return rc == MQ_OK ? set_want_modes(ds, s, err) : rc;
}

/* ---- a source ------------------------------------------------------------------------------------------------------- */

static void match_tests(mq_dataset *ds, mq_part *s)
{
    for (size_t i = 0; i < ds->n_inputs + ds->n_outputs; i++) {
        mq_feed *f = i < ds->n_inputs ? &s->in[i] : &s->want[i - ds->n_inputs];

        if (!*s->table->columns[i].name || (i < ds->n_inputs && ds->carry[i] >= 0))
            continue;
        f->column = (int)i;
        f->mode = MQ_FEED_SINGLE;
    }
    s->single = true;
}

static mq_status check_fed(mq_dataset *ds, const mq_part *s, mq_error *err)
{
    for (size_t i = 0; i < ds->n_inputs; i++)
        if (mq_port_required(ds->inputs[i]) && s->in[i].column < 0 && !given_elsewhere(ds, i) && !ds->fills[i])
            return mq_mismatch(ds, s, MQ_ERR_INPUT, err, "nothing feeds input '%s' (--fill '%s=zeros' would)",
                               ds->inputs[i]->name, ds->inputs[i]->name);
    return MQ_OK;
}

mq_status mq_part_match(mq_dataset *ds, mq_part *s, mq_error *err)
{
    const size_t n = s->table->n_columns;
    bool *used;
    mq_status rc = MQ_OK;

    if (s->table->generated)
        return MQ_OK;
    if (s->table->calls) {
        if (s->spec.input >= 0)
            return mq_fail(err, MQ_ERR_USAGE, "'%s': test folders give all inputs: write them without INPUT=", s->spec.text);
        match_tests(ds, s);
        return check_fed(ds, s, err);
    }
    if (!(used = calloc(n + 1, sizeof *used)))
        return mq_oom(err);
    if (s->label_column >= 0 && !s->labels)
        used[s->label_column] = true;
    MQ_TRY(match_names(ds, s, used, err));
    MQ_TRY(match_left_over(ds, s, used, err));
    if (s->spec.input < 0)
        MQ_TRY(check_fed(ds, s, err));
    else if (s->in[s->spec.input].column < 0)
        rc = mq_mismatch(ds, s, MQ_ERR_INPUT, err, "'%s' has nothing for the input", s->spec.text);
    if (rc == MQ_OK)
        rc = set_modes(ds, s, err);
    if (rc == MQ_OK)
        rc = note_unused(ds, s, used, err);
done:
    free(used);
    return rc;
}
