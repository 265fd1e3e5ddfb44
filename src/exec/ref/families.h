/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The families of reference kernels: each is a file here that defines mq_kernels_<family>, ended by an empty row. */
#ifndef MQ_EXEC_REF_FAMILIES_H
#define MQ_EXEC_REF_FAMILIES_H

#include "exec/kernel.h"

#define MQ_KERNEL_FAMILIES(F) \
    F(contrib) \
    F(contrib_move) \
    F(control) \
    F(grid_sample) \
    F(image) \
    F(ml) \
    F(ml_models) \
    F(optimizer) \
    F(resize) \
    F(signal) \
    F(signal_window)

#define MQ_DECLARE_FAMILY(name) extern const mq_kernel mq_kernels_##name[];
MQ_KERNEL_FAMILIES(MQ_DECLARE_FAMILY)
#undef MQ_DECLARE_FAMILY

#endif
