/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Structured pruning of a file: which groups of channels or blocks there are, how many of each go, taking them out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/prune_structure.h"
#include "graph/cut.h"
#include "ops/ops.h"
#include "passes/filters.h"
#include "passes/pass.h"
#include "prune/ask.h"
#include "report/report.h"

static const struct {
    const char *name;
    unsigned kinds; /* 0: blocks */
} patterns[] = {
    { "channel", MQ_STRUCTURE_CHANNEL }, { "head", MQ_STRUCTURE_HEAD }, { "mlp", MQ_STRUCTURE_MLP }, { "layer", 0 },
};

static int find_pattern(const char *name)
{
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (strcmp(patterns[i].name, name) == 0)
            return (int)i;
    return -1;
}

bool mq_prune_is_structured(const mq_prune_opts *o)
{
    return find_pattern(o->pattern) >= 0;
}

static unsigned kinds_of(const mq_prune_opts *o)
{
    return patterns[find_pattern(o->pattern)].kinds;
}

/* ---- what makes no sense --------------------------------------------------------------------------------------------- */

static mq_status check_options(const mq_prune_opts *o, mq_error *err)
{
    const bool blocks = !kinds_of(o);

    if (!(o->threshold < 0) || o->nonzeros >= 0)
        return mq_fail(err, MQ_ERR_USAGE, "--pattern %s takes --sparsity or a bound, not %s", o->pattern,
                       o->nonzeros >= 0 ? "--nonzeros" : "--threshold");
    if (o->method == MQ_PRUNE_MAX || o->method == MQ_PRUNE_MIN)
        return mq_fail(err, MQ_ERR_USAGE, "--method max and min are for single weights, not for --pattern %s", o->pattern);
    if (blocks && o->method != MQ_PRUNE_L1 && o->method != MQ_PRUNE_L2)
        return mq_fail(err, MQ_ERR_USAGE, "--pattern layer takes --method l1 or l2");
    if (blocks && o->zero_only)
        return mq_fail(err, MQ_ERR_USAGE, "--zero-only is for channels: a layer that goes leaves no zeros");
    if (!o->sparsity.n && (blocks || !mq_prune_structure_by_bounds(o)))
        return mq_fail(err, MQ_ERR_USAGE, "--pattern %s: how much goes? --sparsity 0.25%s", o->pattern,
                       blocks ? "" : ", or a bound: --max-macs, --max-size, --min-speedup, --max-latency, --max-drop, "
                       "--min-metric, --min-sqnr");
    if (blocks && o->sensitivity)
        return mq_fail(err, MQ_ERR_USAGE, "--sensitivity is of channels, heads and columns, not of --pattern layer");
    if (o->scope == MQ_PRUNE_GLOBAL && (blocks || o->sparsity.n > 1))
        return mq_fail(err, MQ_ERR_USAGE, "--scope global takes one --sparsity for the channels of all groups");
    return MQ_OK;
}

/* ---- choosing channels ---------------------------------------------------------------------------------------------- */

static bool wants(void *user, const mq_node *n, const mq_value *weight)
{
    return mq_filters_want(user, n, weight);
}

/* Filters see every weight before the first question. */
static mq_status open_filters(mq_prune_job *j)
{
    const mq_prune_opts *o = j->opts;
    const mq_filter_names names = { o->nodes, o->exclude_nodes, o->tensors, o->exclude_tensors, o->op_types,
                                    o->exclude_op_types };
    size_t n;
    const mq_structure_group *groups = mq_structure_groups(j->structured->groups, &n);
    mq_status rc = mq_filters_create(&j->structured->filters, &names, j->job.err);

    for (size_t i = 0; i < n && rc == MQ_OK; i++)
        for (size_t k = 0; k < groups[i].channels->n_axes; k++) {
            const mq_channel_axis *a = &groups[i].channels->axes[k];

            if (a->born)
                mq_filters_offer(j->structured->filters, a->born, a->value);
        }
    return rc;
}

/* The share that is asked of a group: what a pattern says of one of its weights, else what all have. */
static double ask_of(mq_prune_ask *ask, const mq_structure_group *g)
{
    double ratio = 0;

    for (size_t k = 0; k < g->channels->n_axes; k++)
        if (g->channels->axes[k].born && mq_prune_ask_find(ask, g->channels->axes[k].value, &ratio))
            return ratio;
    return ratio;
}

static mq_status set_shares(mq_prune_job *j, mq_error *err)
{
    size_t n;
    mq_structure_group *groups = mq_structure_groups(j->structured->groups, &n);
    const mq_prune_plan plan = { .model = j->job.model, .opts = j->opts, .kind = MQ_PRUNE_KEYS };
    mq_prune_ask *ask = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_prune_ask_create(&ask, &plan, err));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < groups[i].channels->n_axes; k++)
            if (groups[i].channels->axes[k].born)
                mq_prune_ask_offer(ask, groups[i].channels->axes[k].value);
    for (size_t i = 0; i < n; i++) {
        const double share = ask_of(ask, &groups[i]);

        if (!groups[i].chosen)
            continue;
        j->structured->asked[i] = share;
        groups[i].left = mq_structure_left(&groups[i], share);
    }
    rc = mq_prune_ask_check(ask, err);
done:
    mq_prune_ask_free(ask);
    return rc;
}

/* --scope global: the share of all channels together. */
static mq_status set_common_share(mq_prune_job *j)
{
    mq_structure *s = j->structured->groups;
    size_t n;
    mq_structure_group *groups = mq_structure_groups(s, &n);
    double share = 0;
    bool met;

    for (size_t i = 0; i < n; i++) {
        share = groups[i].chosen ? j->structured->asked[i] : share;
        groups[i].left = groups[i].n;
        j->structured->asked[i] = NAN;
    }
    return mq_structure_budget(s, MQ_STRUCTURE_COUNT, (1 - share) * mq_structure_cost(s, MQ_STRUCTURE_COUNT),
                               j->opts->method == MQ_PRUNE_TAYLOR, &met, j->job.err);
}

static mq_status fail_no_groups(const mq_prune_job *j, size_t n_chosen)
{
    const mq_prune_opts *o = j->opts;
    const mq_channels *c = mq_structure_channels(j->structured->groups);
    static const char *const names[] = { "channels", "attention heads", "columns between two products" };
    const char *name = names[find_pattern(o->pattern)];

    if (n_chosen)
        return mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "nothing to prune: of %zu groups of %s none loses any: ask for "
                       "more, or for --round-to 1 (counts that stay are multiples of %zu)", n_chosen, name, o->round_to);
    if (mq_channels_n_groups(c))
        return mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "nothing to prune: there are no %s that may go", name);
    return mq_narrow_fail_nothing(c, j->job.err);
}

static mq_status choose_channels(mq_prune_job *j)
{
    struct mq_prune_structured *p = j->structured;
    const mq_prune_opts *o = j->opts;
    size_t n;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_structure_find(&p->groups, j->job.model, j->job.err));
    mq_structure_groups(p->groups, &n);
    MQ_TRY(open_filters(j));
    mq_structure_choose(p->groups, kinds_of(o), o->round_to, wants, p->filters);
    MQ_TRY(mq_filters_check(p->filters, j->job.err));
    if (!(p->asked = malloc((n + 1) * sizeof *p->asked)))
        return mq_oom(j->job.err);
    for (size_t i = 0; i < n; i++)
        p->asked[i] = NAN;
    p->macs = mq_structure_cost(p->groups, MQ_STRUCTURE_MACS);
    p->bytes = mq_structure_cost(p->groups, MQ_STRUCTURE_BYTES);
    if (o->sparsity.n)
        MQ_TRY(set_shares(j, j->job.err));
    rc = mq_prune_structure_score(j, p->groups);
done:
    return rc;
}

/* Channels whose importance is no number stay as long as others are there. */
static void warn_of_nan(const mq_prune_job *j, const mq_structure_group *groups, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t odd = 0;

        for (size_t k = 0; groups[i].chosen && k < groups[i].n; k++)
            odd += isnan(groups[i].scores[k]) != 0;
        if (odd)
            mq_warn(j->job.hooks, "prune-nonfinite", groups[i].channels->name,
                    "'%s': the importance of %zu of %zu channels is not a number: they go last", groups[i].channels->name,
                    odd, groups[i].n);
    }
}

mq_status mq_prune_structure_counts(mq_prune_job *j)
{
    struct mq_prune_structured *p = j->structured;
    const mq_prune_opts *o = j->opts;
    size_t n, n_chosen = 0;
    const mq_structure_group *groups;
    mq_status rc = MQ_OK;

    if (!p->groups)
        return MQ_OK;
    groups = mq_structure_groups(p->groups, &n);
    warn_of_nan(j, groups, n);
    if (o->sensitivity || mq_prune_structure_by_bounds(o))
        MQ_TRY(mq_prune_structure_goals(j));
    if (o->sparsity.n && o->scope == MQ_PRUNE_GLOBAL)
        MQ_TRY(set_common_share(j));
    MQ_TRY(mq_structure_pick(p->groups, &p->n_gone, j->job.err));
    for (size_t i = 0; i < n; i++)
        n_chosen += groups[i].chosen;
    if (!p->n_gone && !mq_report_n_missed(j->job.report))
        rc = fail_no_groups(j, n_chosen);
done:
    return rc;
}

/* ---- choosing blocks ------------------------------------------------------------------------------------------------ */

static mq_status read_share(const mq_prune_job *j, double *out)
{
    const mq_prune_plan plan = { .model = j->job.model, .opts = j->opts, .kind = MQ_PRUNE_KEYS };
    const mq_value none = { .name = "" };
    mq_prune_ask *ask = NULL;
    mq_status rc = mq_prune_ask_create(&ask, &plan, j->job.err);

    if (rc != MQ_OK)
        return rc;
    mq_prune_ask_offer(ask, &none);
    mq_prune_ask_find(ask, &none, out);
    rc = mq_prune_ask_check(ask, j->job.err);
    mq_prune_ask_free(ask);
    return rc;
}

static mq_status choose_blocks(mq_prune_job *j)
{
    struct mq_prune_structured *p = j->structured;
    const mq_blocks_item *list;
    double share = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_infer_model(j->job.model, NULL, NULL, j->job.err));
    MQ_TRY(read_share(j, &share));
    MQ_TRY(mq_blocks_find(&p->blocks, j->job.model, j->job.err));
    list = mq_blocks_list(p->blocks, &p->n_blocks);
    if (!p->n_blocks)
        return mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "nothing to prune: no layers that could go: no residual "
                       "branch and no layers of one size in a row");
    p->gone = calloc(p->n_blocks + 1, sizeof *p->gone);
    p->scores = calloc(p->n_blocks, sizeof *p->scores);
    p->names = calloc(p->n_blocks, sizeof *p->names);
    if (!p->gone || !p->scores || !p->names)
        return mq_oom(j->job.err);
    for (size_t i = 0; i < p->n_blocks; i++)
        p->names[i] = list[i].to->name;
    MQ_TRY(mq_structure_rank_blocks(p->blocks, j->opts->method == MQ_PRUNE_L2 ? 2 : 1, p->scores, j->job.err));
    MQ_TRY(mq_structure_pick_blocks(p->blocks, p->scores, (size_t)mq_prune_count(share, p->n_blocks), p->gone, &p->n_gone,
                                    j->job.err));
    if (!p->n_gone)
        rc = mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "nothing to prune: %g %% of %zu layers are none", 100 * share,
                     p->n_blocks);
done:
    return rc;
}

/* ---- all ------------------------------------------------------------------------------------------------------------ */

mq_status mq_prune_structure_choose(mq_prune_job *j)
{
    size_t n;
    mq_status rc = check_options(j->opts, j->job.err);

    if (rc != MQ_OK)
        return rc;
    if (!(j->structured = calloc(1, sizeof *j->structured)))
        return mq_oom(j->job.err);
    /* weights that a caller could replace cannot become narrower under him */
    if ((n = mq_model_unlist_inits(j->job.model)) > 0)
        mq_warn(j->job.hooks, "constant-input", "", "%zu initializers were also graph inputs and are constants now", n);
    return kinds_of(j->opts) ? choose_channels(j) : choose_blocks(j);
}

mq_status mq_prune_structure_note(mq_prune_job *j)
{
    struct mq_prune_structured *p = j->structured;
    size_t n;
    const mq_structure_group *groups = mq_structure_groups(p->groups, &n);

    for (size_t i = 0; i < j->job.model->graph->values.n; i++)
        j->job.model->graph->values.items[i]->tag = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; groups[i].left < groups[i].n && k < groups[i].channels->n_axes; k++) {
            mq_value *v = groups[i].channels->axes[k].value;
            const mq_tensor *t = mq_value_constant(v, true);
            const mq_prune_changed w = { v, t && mq_tensor_size(t) > 0 ? (uint64_t)mq_tensor_size(t) : 0 };

            if (!t || t->n_dims < 2 || v->tag)
                continue;
            v->tag = 1;
            if (!mq_vec_push(&p->weights, w))
                return mq_oom(j->job.err);
        }
    return MQ_OK;
}

mq_status mq_prune_structure_apply(mq_prune_job *j)
{
    struct mq_prune_structured *p = j->structured;
    mq_model *m = j->job.model;
    mq_status rc = MQ_OK;

    if (p->groups && (rc = mq_prune_structure_note(j)) != MQ_OK)
        return rc;
    if (p->groups)
        return j->opts->zero_only ? mq_structure_zero(p->groups, j->job.err) : mq_structure_shrink(p->groups, j->job.err);
    MQ_TRY(mq_blocks_leave_out(p->blocks, p->gone, j->job.err));
    mq_graph_drop_dead(m->graph, NULL);
    mq_model_drop_unused(m);
    rc = mq_infer_model(m, NULL, NULL, j->job.err);
done:
    return rc;
}

mq_status mq_prune_structure_names(const mq_prune_job *j, const char ***names, size_t *n)
{
    const struct mq_prune_structured *p = j->structured;

    if (!(*names = mq_arena_calloc(j->job.model->arena, p->weights.n + 1, sizeof **names)))
        return mq_oom(j->job.err);
    for (*n = 0; *n < p->weights.n; ++*n)
        (*names)[*n] = p->weights.items[*n].value->name;
    return MQ_OK;
}

void mq_prune_structure_close(mq_prune_job *j)
{
    struct mq_prune_structured *p = j->structured;

    if (!p)
        return;
    mq_structure_free(p->groups);
    mq_blocks_free(p->blocks);
    mq_filters_free(p->filters);
    mq_vec_release(&p->weights);
    free(p->asked);
    free(p->left);
    free(p->names);
    free(p->scores);
    free(p->gone);
    free(p);
    j->structured = NULL;
}

/* ---- report --------------------------------------------------------------------------------------------------------- */

static void put_group(mq_report *r, json_t *list, const mq_structure_group *g, double asked)
{
    json_t *to = mq_report_append(r, list), *makers;

    mq_report_put_text(r, to, "name", g->channels->name);
    mq_report_put_text(r, to, "kind", g->kinds & MQ_STRUCTURE_HEAD ? "head" :
                                      g->kinds & MQ_STRUCTURE_MLP ? "mlp" : "channel");
    mq_report_put_int(r, to, "channels", (int64_t)g->n);
    mq_report_put_int(r, to, "left", (int64_t)g->left);
    if (isnan(asked))
        mq_report_put_null(r, to, "asked");
    else
        mq_report_put_real(r, to, "asked", asked);
    mq_report_put_real(r, to, "sparsity", 1 - (double)g->left / (double)g->n);
    mq_report_put_bool(r, to, "mixes", g->channels->mixes);
    makers = mq_report_array(r, to, "made_by");
    for (size_t k = 0; k < g->channels->n_axes; k++)
        if (g->channels->axes[k].born)
            mq_report_push_text(r, makers, mq_node_label(g->channels->axes[k].born));
}

static void tell_weights(const mq_prune_job *j)
{
    for (size_t i = 0; i < j->structured->weights.n; i++) {
        const mq_prune_changed *w = &j->structured->weights.items[i];
        const mq_tensor *t = mq_value_constant(w->value, true);
        const char *node = w->value->uses.n ? mq_node_label(w->value->uses.items[0].node) : "";

        if (t)
            mq_report_add_changed(j->job.report, &(mq_report_changed){
                .name = w->value->name, .nodes = &node, .n_nodes = 1,
                .treatment = j->opts->zero_only ? "zeroed" : "narrowed", .from = t->dtype, .to = t->dtype,
                .dims = t->dims, .n_dims = t->n_dims, .axis = -1, .bytes_before = w->bytes,
                .bytes_after = (uint64_t)mq_tensor_size(t) });
    }
}

/* Channels that stay, each with its reason. */
static mq_status tell_stops(const mq_prune_job *j)
{
    size_t n;
    const mq_channel_stop *stops = mq_channels_stops(mq_structure_channels(j->structured->groups), &n);

    for (size_t i = 0; i < n; i++) {
        const mq_channel_stop *s = &stops[i];
        const char *reason = mq_arena_printf(j->job.model->arena, "%zu channels: '%s'%s%s%s %s", s->n, s->node,
                                             *s->op_type ? " (" : "", s->op_type, *s->op_type ? ")" : "", s->reason);

        if (!reason)
            return mq_oom(j->job.err);
        mq_report_add_kept(j->job.report, &(mq_report_kept){ .name = s->weight, .node = s->weight, .op_type = "",
                                                             .code = "channels", .reason = reason });
    }
    return MQ_OK;
}

static mq_status tell_channels(mq_prune_job *j, json_t *section)
{
    const struct mq_prune_structured *p = j->structured;
    mq_report *r = j->job.report;
    json_t *list = mq_report_array(r, section, "groups");
    size_t n, before = 0, after = 0;
    const mq_structure_group *groups = mq_structure_groups(p->groups, &n);

    for (size_t i = 0; i < n; i++) {
        if (groups[i].spared_by) {
            mq_report_add_kept(r, &(mq_report_kept){ .name = groups[i].channels->name, .op_type = "",
                                                     .node = mq_node_label(groups[i].spared_by), .code = "excluded",
                                                     .reason = "excluded, with what is coupled to it" });
        }
        if (!groups[i].chosen)
            continue;
        put_group(r, list, &groups[i], p->asked[i]);
        before += groups[i].n;
        after += groups[i].left;
    }
    mq_report_put_int(r, section, "channels", (int64_t)before);
    mq_report_put_int(r, section, "channels_left", (int64_t)after);
    tell_weights(j);
    return tell_stops(j);
}

static void tell_blocks(mq_prune_job *j, json_t *section)
{
    const struct mq_prune_structured *p = j->structured;
    json_t *list = mq_report_array(j->job.report, section, "layers");

    for (size_t i = 0; i < p->n_blocks; i++) {
        json_t *to = mq_report_append(j->job.report, list);

        mq_report_put_text(j->job.report, to, "name", p->names[i]);
        mq_report_put_real(j->job.report, to, "score", p->scores[i]);
        mq_report_put_bool(j->job.report, to, "gone", p->gone[i]);
    }
}

/* Multiply-accumulates before and after, as the main graph has them with sizes that are not known as 1. */
static mq_status set_mode(mq_prune_job *j)
{
    const struct mq_prune_structured *p = j->structured;
    char note[200];
    size_t n, n_changed = 0, before = 0, after = 0;
    const mq_structure_group *groups;

    if (p->blocks) {
        snprintf(note, sizeof note, "%zu of %zu layers go", p->n_gone, p->n_blocks);
    } else {
        const double macs = mq_structure_cost(p->groups, MQ_STRUCTURE_MACS);

        groups = mq_structure_groups(p->groups, &n);
        for (size_t i = 0; i < n; i++) {
            n_changed += groups[i].left < groups[i].n;
            before += groups[i].chosen ? groups[i].n : 0;
            after += groups[i].chosen ? groups[i].left : 0;
        }
        snprintf(note, sizeof note, "%zu of %zu channels go, in %zu groups; MACs %+.1f %%%s", before - after, before,
                 n_changed, p->macs > 0 ? 100 * (macs / p->macs - 1) : 0.,
                 j->opts->zero_only ? " if they were taken out" : "");
    }
    mq_report_set_mode(j->job.report, "prune", note);
    return mq_report_status(j->job.report, j->job.err);
}

mq_status mq_prune_structure_tell(mq_prune_job *j, json_t *section)
{
    mq_status rc = MQ_OK;

    mq_report_put_int(j->job.report, section, "round_to", (int64_t)j->opts->round_to);
    mq_report_put_bool(j->job.report, section, "dry_run", j->opts->dry_run);
    if (j->structured->groups)
        rc = tell_channels(j, section);
    else
        tell_blocks(j, section);
    return rc == MQ_OK ? set_mode(j) : rc;
}
