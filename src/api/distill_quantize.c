/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --quantize: what `mq quantize --data` does, to the student that has just been trained. It goes from file to file, so the
 * student gets one in a folder of its own that is removed again; the model that is read back is unlinked but stays
 * mapped. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/distill_job.h"
#include "base/file.h"
#include "mq/quantize.h"

enum { CALIBRATION_SAMPLES = 512 };

static mq_status quantize_files(mq_distill_job *j, const char *from, const char *to)
{
    mq_quantize_opts o = mq_quantize_opts_default();
    mq_save_opts save = mq_save_opts_default();
    mq_report *aside = NULL;
    mq_status rc;

    o.mode = MQ_MODE_STATIC;
    o.target = j->opts->target;
    o.calibrate_on = j->opts->train_on;
    if (!o.calibrate_on.samples || o.calibrate_on.samples > CALIBRATION_SAMPLES)
        o.calibrate_on.samples = CALIBRATION_SAMPLES;
    o.calibrate_on.n_labels = 0;
    o.verify = MQ_VERIFY_NONE;
    o.bounds.limits.max_size_ratio = 0;
    o.save.external = save.external = MQ_EXTERNAL_NONE;
    MQ_TRY(mq_model_save(j->job.model, from, &save, NULL, NULL, j->job.err));
    MQ_TRY(mq_report_create(&aside, "quantize", j->job.err));
    rc = mq_quantize_file(from, to, &o, aside, j->job.hooks, j->job.err);
done:
    mq_report_free(aside);
    return rc;
}

mq_status mq_distill_quantize(mq_distill_job *j)
{
    char folder[256], from[300], to[300];
    mq_model *m = NULL;
    mq_status rc;

    if ((rc = mq_folder_make(folder, sizeof folder, "mq-student", j->job.err)) != MQ_OK)
        return rc;
    snprintf(from, sizeof from, "%.250s/student.onnx", folder);
    snprintf(to, sizeof to, "%.250s/quantized.onnx", folder);
    MQ_TRY(quantize_files(j, from, to));
    MQ_TRY(mq_model_load(&m, to, j->job.err));
    mq_model_free(j->job.model);
    j->job.model = m;
done:
    unlink(from);
    unlink(to);
    rmdir(folder);
    return rc;
}
