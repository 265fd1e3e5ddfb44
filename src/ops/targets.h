/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the runtimes take that a model may be meant for. One table, one row each; sources stand beside the rows. */
#ifndef MQ_OPS_TARGETS_H
#define MQ_OPS_TARGETS_H

#include "graph/finding.h"

/* An operator that a target lacks. */
typedef struct mq_target_gap {
    const char *op; /* of ai.onnx */
    int since;      /* from this version of the operator on */
} mq_target_gap;

/* What an operator of ai.onnx takes as its first input where that is less than its schema allows. */
typedef struct mq_target_types {
    const char *op;
    uint64_t types; /* bit (1 << mq_dtype) */
} mq_target_types;

typedef struct mq_target {
    const char *name;
    const char *title;             /* with the version that the facts are of */
    int min_opset, max_opset;      /* of ai.onnx; 0: any */
    int max_ir;                    /* 0: any */
    const char *const *domains;    /* NULL: any. Nodes that call a function of the model are always taken */
    const mq_target_gap *gaps;     /* NULL: none */
    const mq_target_types *types;  /* sorted by name, n_types of them; NULL: not known */
    size_t n_types;
    const char *const *only;       /* the operators it has, where that list is shorter; NULL: all but the gaps */
    const char *const *also;       /* everything that these targets ask for is asked for too; NULL: none */
    bool typed;                    /* refuses what breaks the type rules of the specification */
    bool static_shapes;            /* inputs need known sizes */
    bool no_subgraphs;             /* no If, Loop, Scan */
    bool zero_points_zero;         /* quantization must be symmetric */
} mq_target;

/* NULL: there is no such target. */
const mq_target *mq_target_find(const char *name);

/* The names, NULL-terminated. */
const char *const *mq_target_names(void);

/* Adds what the target does not take, as errors. Codes: target-opset, target-ir, target-domain, target-op,
 * target-type, target-shape, target-subgraph, target-zero-point. */
mq_status mq_check_target(mq_model *m, const mq_target *target, mq_findings *fs, mq_error *err);

#endif
