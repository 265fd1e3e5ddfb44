/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Finding and mapping external data files; a model must not be able to name files outside its own folder. */
#include "model/external.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool has_dotdot(const char *location)
{
    for (const char *p = location; p; p = strchr(p, '/'), p = p ? p + 1 : NULL)
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
            return true;
    return false;
}

/* Does the real path lie below the real folder? */
static bool inside(const char *path, const char *folder)
{
    char *real = realpath(path, NULL), *top = realpath(*folder ? folder : ".", NULL);
    size_t n = top ? strlen(top) : 0;
    bool ok = real && top && (n == 1 || (strncmp(real, top, n) == 0 && real[n] == '/'));

    free(real);
    free(top);
    return ok;
}

mq_status mq_external_find(const char *folder, const char *location, const char *what, char **path, mq_error *err)
{
    struct stat st;
    char *p = NULL;
    mq_status rc = MQ_OK;

    if (!*location || *location == '/' || has_dotdot(location))
        return mq_fail(err, MQ_ERR_INPUT, "%s '%s' is outside the model's folder", what, location);
    if (asprintf(&p, "%s%s%s", folder, *folder ? "/" : "", location) < 0)
        return mq_oom(err);
    if (stat(p, &st) != 0)
        rc = errno == ENOENT ? mq_fail(err, MQ_ERR_INPUT, "%s '%s' is missing", what, p)
                             : mq_fail(err, MQ_ERR_INPUT, "cannot open %s '%s': %s", what, p, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        rc = mq_fail(err, MQ_ERR_INPUT, "%s '%s' is no regular file", what, p);
    else if (!inside(p, folder))
        rc = mq_fail(err, MQ_ERR_INPUT, "%s '%s' is a link out of the model's folder", what, p);
    if (rc == MQ_OK)
        *path = p;
    else
        free(p);
    return rc;
}

mq_status mq_external_path(const mq_model *m, const char *location, char **path, mq_error *err)
{
    if (!m->dir)
        return mq_fail(err, MQ_ERR_INPUT,
                       "external file '%s' cannot be found: the model has no folder (it came through a pipe)", location);
    return mq_external_find(m->dir, location, "external file", path, err);
}

mq_status mq_external_open(mq_model *m, const char *location, mq_buf **out, mq_error *err)
{
    mq_buf *buf = mq_map_get(&m->external, location);
    char *path = NULL;
    mq_status rc;

    if (buf) {
        *out = buf;
        return MQ_OK;
    }
    if ((rc = mq_external_path(m, location, &path, err)) != MQ_OK)
        return rc;
    rc = mq_buf_map(&buf, path, err);
    free(path);
    if (rc != MQ_OK || (rc = mq_model_keep_buf(m, buf, err)) != MQ_OK)
        return rc;
    if (!mq_map_put(&m->external, location, buf))
        return mq_oom(err);
    *out = buf;
    return MQ_OK;
}
