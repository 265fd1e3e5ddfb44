/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The sections `prune` and `search` in the Markdown form: what is zero or gone, what it buys, a table of weights or groups;
 * what a search tried. */
#include <string.h>

#include "report/markdown.h"

static void pruned_row(mq_str *out, const json_t *t)
{
    double zeros = 0, norm = 0;
    const bool known = mq_json_get_real(t, "kept_norm", &norm);

    mq_json_get_real(t, "sparsity", &zeros);
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(t, "name"));
    mq_str_add(out, " | ");
    mq_str_add_shape(out, json_object_get(t, "shape"));
    mq_str_addf(out, " | %.1f%% | ", 100 * zeros);
    if (known)
        mq_str_addf(out, "%.1f%%", 100 * norm);
    mq_str_add(out, " | ");
    mq_str_add_bytes(out, (uint64_t)mq_json_get_int(t, "bytes"));
    mq_str_add(out, " | ");
    mq_str_add_bytes(out, (uint64_t)mq_json_get_int(t, "sparse_bytes"));
    mq_str_add(out, strcmp(mq_json_get_text(t, "stored"), "sparse") == 0 ? " (stored so) |\n" : " |\n");
}

static void group_row(mq_str *out, const json_t *g)
{
    double gone = 0;

    mq_json_get_real(g, "sparsity", &gone);
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(g, "name"));
    mq_str_addf(out, " | %s | ", mq_json_get_text(g, "kind"));
    mq_str_add_count(out, (uint64_t)mq_json_get_int(g, "channels"));
    mq_str_add(out, " | ");
    mq_str_add_count(out, (uint64_t)mq_json_get_int(g, "left"));
    mq_str_addf(out, " | %.1f%% |\n", 100 * gone);
}

static void layer_row(mq_str *out, const json_t *l)
{
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(l, "name"));
    mq_str_addf(out, " | %s |\n", mq_json_get_bool(l, "gone") ? "gone" : "stays");
}

static void round_row(mq_str *out, const json_t *r)
{
    double zeros = 0, metric = 0;

    mq_json_get_real(r, "sparsity", &zeros);
    mq_json_get_real(r, "metric", &metric);
    mq_str_addf(out, "| %lld | %.1f%% | %.4g |\n", (long long)mq_json_get_int(r, "round"), 100 * zeros, metric);
}

static void kept_row(mq_str *out, const json_t *k)
{
    mq_str_add(out, "| ");
    mq_md_code(out, mq_json_get_text(k, "name"));
    mq_str_addf(out, " | %s | ", mq_json_get_text(k, "form"));
    mq_str_add_sqnr(out, k);
    mq_str_addf(out, " | %+lld |\n", (long long)mq_json_get_int(k, "bytes_more"));
}

static void tried_row(mq_str *out, const json_t *t)
{
    static const char *const figures[] = { "sqnr_db", "metric", "drop" };
    double v;

    mq_str_addf(out, "| %lld | ", (long long)mq_json_get_int(t, "others"));
    mq_str_add_bytes(out, (uint64_t)mq_json_get_int(t, "bytes"));
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        mq_str_add(out, " | ");
        if (mq_json_get_real(t, figures[i], &v))
            mq_str_addf(out, "%.4g", v);
    }
    mq_str_addf(out, " | %s |\n", json_is_true(json_object_get(t, "held")) ? "yes" : "no");
}

void mq_md_searched(mq_str *out, const json_t *search, size_t budget)
{
    if (!search)
        return;
    mq_str_add(out, "Search: ");
    mq_str_add_search(out, search);
    mq_str_add(out, "\n\n");
    mq_md_folded_table(out, "Layers in another form than asked for", json_object_get(search, "kept"),
                       "| layer | form | quantized alone | bytes more |", kept_row, budget);
    mq_md_folded_table(out, "Models tried", json_object_get(search, "tried"),
                       "| layers in another form | size | SQNR, dB | metric | drop | held |", tried_row, budget);
}

void mq_md_pruned(mq_str *out, const json_t *prune, size_t budget)
{
    const json_t *worth = json_object_get(prune, "worth");

    if (!prune)
        return;
    mq_str_add(out, "Pruned: ");
    mq_str_add_pruned(out, prune);
    mq_str_add(out, "\n\n");
    if (json_object_get(prune, "rounds")) {
        mq_str_add(out, "Trained: ");
        mq_str_add_rounds(out, prune);
        mq_str_add(out, "\n\n");
    }
    if (worth) {
        mq_str_add(out, "Worth: ");
        mq_md_prose(out, mq_json_get_text(worth, "text"));
        mq_str_add(out, "\n\n");
    }
    if (json_object_get(worth, "gzip_bytes")) {
        mq_str_add(out, "Compressed: ");
        mq_str_add_gzip(out, worth);
        mq_str_add(out, "\n\n");
    }
    mq_md_folded_table(out, "Rounds", json_object_get(prune, "rounds"), "| round | zeros | metric |", round_row, budget);
    mq_md_folded_table(out, "Pruned weights", json_object_get(prune, "tensors"),
                       "| weight | shape | zeros | norm kept | size | as coordinates |", pruned_row, budget);
    mq_md_folded_table(out, "Coupled channels", json_object_get(prune, "groups"), "| channels | kind | were | are | gone |",
                       group_row, budget);
    mq_md_folded_table(out, "Layers", json_object_get(prune, "layers"), "| layer up to | |", layer_row, budget);
}
