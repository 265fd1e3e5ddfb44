/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The options of writing, for every command that makes one model of another. */
#ifndef CLI_WRITING_H
#define CLI_WRITING_H

#include "cli/session.h"
#include "mq/model.h"
#include "mq/run.h"

/* The newest opset that ONNX Runtime 1.31 loads: what --opset latest means. */
enum { CLI_LATEST_OPSET = 26 };

/* For a command's list of options. */
#define CLI_WRITING_OPTS                                                                                              \
    OPT_OUTPUT, OPT_FORCE, OPT_DRY_RUN, OPT_KEEP_FAILED, OPT_DEPFILE, OPT_SYNC, OPT_EXTERNAL_DATA,                    \
        OPT_EXTERNAL_THRESHOLD, OPT_OPSET, OPT_VERIFY, OPT_VAL_DATA, OPT_MIN_SQNR, OPT_MAX_SIZE

/* Lists of names and patterns; borrowed from the session. */
mq_names cli_names(const cli_session *s, cli_opt id);

/* How and where files are written. */
mq_save_opts cli_save_opts(const cli_session *s);
/* --opset; 0: not given. */
int cli_opset(const cli_session *s);
mq_verify cli_verify_of(const cli_session *s);
/* What the proof runs on: --val-data, else a few samples of --data, else generated inputs. */
mq_data_source cli_proof_source(const cli_session *s);
/* --max-size: one of both is 0, or both are. */
void cli_max_size(const cli_session *s, uint64_t *bytes, double *ratio);
/* Does somebody read hashes of files? */
bool cli_wants_hash(const cli_session *s);
/* Is nothing run for a proof, so that data for it would do nothing? */
bool cli_runs_nothing(const cli_options *o);
/* Data, and what is said about them, that nothing would use are MQ_ERR_USAGE; `runs`: is anything run? */
mq_status cli_check_data_used(const cli_options *o, bool runs, mq_error *err);

/* The end of run(), whose call of the library ended with `rc`: the summary on standard output, unless something else goes
 * there or -q is given; each missed bound. */
mq_status cli_finish_writing(cli_session *s, mq_status rc, bool wrote, mq_error *err);
/* The same where the library names the model itself in errors that are about an option and the model. */
mq_status cli_finish_named(cli_session *s, mq_status rc, bool wrote, mq_error *err);

/* A list for people: prints and frees it. NULL: out of memory. */
mq_status cli_print_list(char *text, mq_error *err);

#endif
