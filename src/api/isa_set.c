/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One limit for own kernels and for the library of kernels. */
#include "mq/isa.h"

#include "base/error.h"
#include "base/isa.h"
#include "exec/fast.h"

mq_status mq_isa_set(const char *name, mq_error *err)
{
    const mq_isa before = mq_isa_limited();
    mq_isa isa;
    mq_status rc;

    MQ_TRY(mq_isa_parse(name, &isa, err));
    if (isa != before && !mq_fast_limit_isa(isa))
        return mq_fail(err, MQ_ERR_USAGE, "the instruction set cannot become '%s' any more: oneDNN was told '%s', or "
                                          "is in use", name, mq_isa_name(before));
    mq_isa_limit(isa);
done:
    return rc;
}

const char *mq_isa_used(void)
{
    return mq_isa_name(mq_isa_now());
}
