/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Training as commands need it: samples, a teacher's outputs, judging, checkpoints, one call that trains a model. */
#ifndef MQ_API_TRAIN_JOB_H
#define MQ_API_TRAIN_JOB_H

#include "api/running.h"
#include "base/hash.h"
#include "exec/metrics.h"
#include "mq/report.h"
#include "mq/train.h"
#include "train/loop.h"

/* ---- samples (train_store.c, train_samples.c) ------------------------------------------------------------------------ */

/* All samples of a source: in memory, or read again when they are wanted. */
typedef struct mq_sample_store mq_sample_store;

/* Samples of one source. */
typedef struct mq_samples {
    uint64_t n, n_labelled;
    size_t n_in;         /* inputs of the model */
    mq_sample_store *store;
    uint64_t *rows;      /* which ones of the store; NULL: all */
    mq_array *labels;    /* a row for each: int64 (below 0: none) or float; NULL: there are none at all */
    bool answers;        /* labels are float answers to questions: 1 yes, 0 no, below 0 none */
} mq_samples;

/* Reads a source for a running model, which has to outlive the samples. More inputs than 256 MB are not kept, where they can
 * be read sample by sample. MQ_ERR_INPUT when samples are not all of one shape, or there are none. */
mq_status mq_samples_read(mq_samples *out, const mq_data_source *source, const mq_running *run, const mq_hooks *hooks,
                          void (*note)(void *user, const char *text), void *user, mq_error *err);
/* The same with `most` bytes. */
mq_status mq_samples_read_within(mq_samples *out, const mq_data_source *source, uint64_t most, const mq_running *run,
                                 const mq_hooks *hooks, void (*note)(void *user, const char *text), void *user,
                                 mq_error *err);
/* The model's inputs of n samples, a row for each: new arrays, which may be written to; some of them also when it fails. */
mq_status mq_samples_inputs(const mq_samples *s, const uint64_t *list, size_t n, mq_array **in, mq_error *err);
/* Goes on with a hash (mq_sha256_chain) over all inputs. */
mq_status mq_samples_hash(const mq_samples *s, char hex[MQ_SHA256_HEX], mq_error *err);
/* Has sample i a label? */
bool mq_samples_labelled(const mq_samples *s, uint64_t i);
/* Rows `list` of s, as samples of their own. */
mq_status mq_samples_take(mq_samples *out, const mq_samples *s, const uint64_t *list, uint64_t n, mq_error *err);
void mq_samples_release(mq_samples *s);

/* Runs a model on samples, in batches; out gets an array with a row for each sample for each of its outputs. MQ_ERR_INPUT
 * when an output has no row per sample. */
mq_status mq_samples_run(mq_array **out, mq_running *run, const mq_samples *s, const mq_hooks *hooks, mq_error *err);

/* The best class of each row along the class axis (1 of rank 4 and 5, else the last), int64. */
mq_status mq_best_classes(mq_array **out, const mq_array *scores, mq_error *err);

/* Puts BatchNormalization behind convolutions that have none; unless their weights are fresh, the model computes what it did
 * (on the first of these samples). */
mq_status mq_samples_normalize(mq_model *m, const mq_samples *s, bool fresh, const mq_hooks *hooks, mq_error *err);

/* ---- judging (train_judge.c) ---------------------------------------------------------------------------------------- */

/* What models are judged on. */
typedef struct mq_train_judge {
    mq_samples samples;
    size_t output;       /* of the model */
    mq_array *truth;     /* int64 classes or float values, a row per sample */
    bool classes, by_teacher;
    bool held_out;       /* a part of the training data */
    mq_metric metric;
    mq_metrics *teacher; /* of it, with what each sample had; NULL: it has not been judged */
} mq_train_judge;

/* Settles truth and metric; teacher: what it says of the samples. */
mq_status mq_judge_settle(mq_train_judge *j, const mq_array *teacher, bool classes, const char *metric, mq_error *err);
/* The metric of a model on the samples. */
mq_status mq_judge_model(const mq_train_judge *j, mq_model *m, const mq_hooks *hooks, double *metric, mq_error *err);
/* The same of the teacher, whose samples others are then paired with. */
mq_status mq_judge_teacher(mq_train_judge *j, mq_model *m, const mq_hooks *hooks, double *metric, mq_error *err);
/* The same of a student. *half: of the 95 % interval of its mean difference from the teacher; NAN: samples of this metric
 * cannot be paired. */
mq_status mq_judge_beside(const mq_train_judge *j, mq_model *m, const mq_hooks *hooks, double *metric, double *half,
                          mq_error *err);
void mq_judge_release(mq_train_judge *j);

/* ---- one training (train_data.c, train_job.c) ----------------------------------------------------------------------- */

enum { MQ_MOST_LOSSES = 32 };

/* Where a loss term's target comes from. */
typedef enum mq_target_kind {
    MQ_TARGET_LABELS,
    MQ_TARGET_BEST,    /* the teacher's best class */
    MQ_TARGET_SIGN,    /* its answers: yes or no */
    MQ_TARGET_TEACHER, /* what it says */
} mq_target_kind;

/* What an output is. */
typedef enum mq_form {
    MQ_FORM_VALUES,
    MQ_FORM_CLASSES, /* scores of which one is right */
    MQ_FORM_ANSWERS, /* each element is a probability by itself */
} mq_form;

/* What trainings have in common: how, from what, judged on what. The caller fills the first part. */
typedef struct mq_train_job {
    const mq_train_opts *opts;
    mq_names hints;          /* "TEACHER=STUDENT" */
    const mq_data_source *train_on, *judge_on; /* judge_on without data: val_split of the training data */
    double val_split;
    const char *metric;      /* NULL: by labels and output */
    const char *metric_output; /* of the teacher: labels and metric are about it; NULL: the first */
    size_t n_trainings;      /* that share opts->time_limit; 0: one */
    bool dry_run;            /* nothing will be trained: the teacher is asked on what is judged on only */
    mq_status (*ask)(void *owner, mq_array **out); /* the teacher's outputs on all samples; NULL: it is run */
    bool ask_anyhow;         /* also when each step has other images */
    void *owner;             /* of ask */
    void (*note)(void *user, const char *text);   /* as in mq/distill.h */
    void (*detail)(void *user, const char *text);
    void *user;              /* of both */
    const mq_hooks *hooks;
    mq_error *err;

    mq_model *teacher;       /* borrowed */
    mq_running run;          /* the teacher, up to what is learned from */
    size_t judged;           /* the output that labels and metric are about */
    double began;            /* mq_seconds(); of the time limit */
    size_t n_scores;         /* of run's outputs, those that stand for the model's outputs, in their order; then hints */
    mq_form *forms;          /* of those outputs; in the teacher's arena */
    mq_samples samples;      /* to train on */
    mq_array **taught;       /* per output of run: the teacher's, a row per sample; NULL while it runs in the loop */
    mq_train_judge judge;
    mq_augment augment;
    double teacher_metric;
} mq_train_job;

/* Training options that make no sense are MQ_ERR_USAGE; settles augment. */
mq_status mq_train_check(mq_train_job *j);

/* train_labels.c: labels become what losses and metrics take, as the form of the judged output says, which with labels they
 * settle where the model does not; scores: what the teacher says of the samples to judge by. MQ_ERR_INPUT for labels that do
 * not fit. */
mq_status mq_train_labels(mq_train_job *j, const mq_array *scores);
/* Probabilities of logits, each by itself. */
mq_status mq_train_sigmoid(mq_array **out, const mq_array *logits, mq_error *err);

/* Makes a model one that can be trained and taught by: weights are constants, calls are nodes, types are known. */
mq_status mq_train_plain(mq_model *m, mq_error *err);

/* Makes ready: the teacher (plain; must outlive the job) runs up to what its Softmax reads, and to the tensors of hints. */
mq_status mq_train_open(mq_train_job *j, mq_model *teacher);
/* Then: reads all data, asks the teacher, settles what is judged by and how the teacher does. */
mq_status mq_train_read(mq_train_job *j);
void mq_train_close(mq_train_job *j);

/* A metric's loss against the teacher's: points for metrics between 0 and 1, else relative to the teacher's. */
double mq_train_drop(const mq_train_job *j, double metric);
/* Of such a loss what stands for a difference between metrics. */
double mq_train_drop_scale(const mq_train_job *j, double metric);

/* Elements of an initializer or constant that are held at zero. */
typedef struct mq_train_mask {
    const char *name;
    const uint8_t *mask;  /* per element: 0 or 1 */
    size_t n;
} mq_train_mask;

/* One model's training. */
typedef struct mq_train_call {
    bool control;         /* learn from labels alone */
    uint64_t seed;
    const char *name;     /* of its checkpoint in the folder, without the end */
    const char *label;    /* before the line of each epoch: "control, "; "" for none */
    bool fixed_statistics; /* as in mq_trainer_opts */
    bool unjudged;        /* nothing is measured after epochs: the last one is the best */
    uint64_t part, n_parts; /* as in mq_loop_opts */
    const mq_train_mask *masks;
    size_t n_masks;
    const char *key;      /* of mq_train_key, where it is known; NULL: found when a checkpoint needs it */
} mq_train_call;

/* What a training of m belongs to, to know it again: options, call, m with its weights, the samples. */
mq_status mq_train_key(const mq_train_job *j, mq_model *m, const mq_train_call *call, char hex[MQ_SHA256_HEX]);
/* Trains m, whose inputs and outputs are the teacher's; afterwards m holds the parameters of the best epoch. */
mq_status mq_train_run(mq_train_job *j, mq_model *m, const mq_train_call *call, mq_loop_result *out);

/* The term that learns the judged output's labels, of which there are some. */
mq_loss_term mq_train_label_term(const mq_train_job *j, const mq_model *m, double share);
/* What of an output of that form is compared with the teacher's as values: what its Softmax or Sigmoid reads. */
const char *mq_train_logits(mq_value *output, mq_form form);

/* train_gradients.c: calls look with each weight of m (a copy of the teacher) and its gradient for each batch of the
 * samples, then `end`; m stays as it is. The loss is that of the labels. Without labels it is each output, of which every
 * element has a sign drawn by the seed for each sample, divided by the output's power: the mean square of a first-order
 * change of this loss is that of the outputs, as noise relative to their power (Hutchinson's estimate). */
mq_status mq_train_gradients(mq_train_job *j, mq_model *m,
                             void (*look)(void *user, const mq_parameter *p, const float *gradient),
                             void (*end)(void *user), void *user);

/* The curves of a training, into the report. */
void mq_train_report(const mq_train_job *j, mq_report *r, const char *model, const mq_loop_result *l);

#endif
