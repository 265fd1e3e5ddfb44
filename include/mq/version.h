/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The library's version. */
#ifndef MQ_VERSION_H
#define MQ_VERSION_H

#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0"; the version written into reports and into producer fields. Never NULL. */
MQ_API const char *mq_version(void);

#ifdef __cplusplus
}
#endif
#endif
