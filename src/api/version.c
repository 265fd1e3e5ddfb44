/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "mq/version.h"

const char *mq_version(void)
{
    return MQ_VERSION;
}
