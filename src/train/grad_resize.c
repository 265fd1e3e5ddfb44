/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The gradient of Resize. Nearest picks elements: the operator, run on their numbers, says which. The other modes are a
 * matrix for each axis: the operator makes it of the unit matrix, and the gradient is a product with it. */
#include "passes/pass.h"
#include "train/grad_families.h"

#define MAX_RANK 16

/* Is the axis as long behind as before, and not stretched? place: of the axis in the list of scales. */
static bool untouched(const mq_grad *k, int axis, size_t place)
{
    mq_tensor *t = mq_constant_input(k->n, 2);
    float scale = 1;

    if (t && mq_tensor_count(t) > 0)
        return mq_tensor_read_f32(t, place, 1, &scale, NULL) == MQ_OK && scale == 1;
    return mq_grad_in(k, 3) && mq_dim_known(mq_value_dim(mq_grad_in(k, 0), axis)) &&
           mq_dim_equal(mq_value_dim(mq_grad_in(k, 0), axis), mq_value_dim(k->n->outputs[0], axis));
}

/* Element `place` of a list, as a list. */
static mq_value *one_of(mq_grad *k, mq_value *list, int64_t place)
{
    return mq_grad_op(k, "Gather", list, mq_grad_ints(k, &place, 1));
}

static mq_value *pair(mq_grad *k, mq_value *a, mq_value *b)
{
    return mq_grad_set_int(k, mq_grad_make(k, "", "Concat", NULL, 1, a, b), "axis", 0);
}

/* What Resize does along the axis: [length behind, length before]. */
static mq_value *matrix(mq_grad *k, int axis, size_t place)
{
    mq_value *before = one_of(k, mq_grad_shape(k, mq_grad_in(k, 0)), axis), *scales = mq_grad_in(k, 2), *sizes = NULL, *unit;
    mq_value *squares = pair(k, before, before), *one;
    mq_node *n = mq_grad_make(k, "", "ConstantOfShape", NULL, 1, squares);
    const mq_tensor *none = scales ? mq_value_constant(scales, false) : NULL;

    unit = mq_grad_set_int(k, mq_grad_make(k, "", "EyeLike", NULL, 1, mq_grad_first(n)), "dtype", k->dtype);
    if (!scales || (none && mq_tensor_count(none) == 0)) {
        scales = NULL;
        sizes = pair(k, one_of(k, mq_grad_shape(k, mq_grad_out(k, 0)), axis), before);
    } else {
        n = mq_grad_make(k, "", "Cast", NULL, 1, mq_grad_ints(k, (const int64_t[]){ 1 }, 1));
        one = mq_grad_set_int(k, n, "to", MQ_FLOAT);
        scales = pair(k, one_of(k, scales, (int64_t)place), one);
    }
    n = mq_grad_make(k, "", "Resize", k->n, 1, unit, NULL, scales, sizes);
    if (n)
        mq_node_remove_attr(n, "axes");
    return mq_grad_first(n);
}

/* v with axes `axis` and the last one exchanged. */
static mq_value *last(mq_grad *k, mq_value *v, int axis, int rank)
{
    int64_t perm[MAX_RANK];

    for (int i = 0; i < rank; i++)
        perm[i] = i == axis ? rank - 1 : i == rank - 1 ? axis : i;
    return axis == rank - 1 ? v : mq_grad_transpose(k, v, perm, (size_t)rank);
}

static void by_matrices(mq_grad *k, int rank)
{
    size_t n_axes;
    const int64_t *axes = mq_node_attr_ints(k->n, "axes", &n_axes);
    const size_t n = axes ? n_axes : (size_t)rank;
    mq_value *v = k->dy[0];

    for (size_t i = 0; i < n && k->rc == MQ_OK; i++) {
        const int64_t at = axes ? axes[i] : (int64_t)i, axis = at < 0 ? at + rank : at;

        if (axis < 0 || axis >= rank)
            mq_grad_refuse(k, "'axes' are none of its input's");
        else if (!untouched(k, (int)axis, i))
            v = last(k, mq_grad_op(k, "MatMul", last(k, v, (int)axis, rank), matrix(k, (int)axis, i)), (int)axis, rank);
    }
    mq_grad_give(k, 0, v);
}

static void resize(mq_grad *k)
{
    const mq_attr *policy = mq_node_attr(k->n, "keep_aspect_ratio_policy"), *mode = mq_node_attr(k->n, "mode");
    const int rank = mq_grad_rank(k, mq_grad_in(k, 0));

    if (mq_node_attr_is(k->n, "coordinate_transformation_mode", "tf_crop_and_resize"))
        mq_grad_refuse(k, "'coordinate_transformation_mode' is tf_crop_and_resize");
    if (!mode || mq_node_attr_is(k->n, "mode", "nearest"))
        mq_grad_give_picked(k);
    else if (policy && !mq_node_attr_is(k->n, "keep_aspect_ratio_policy", "stretch"))
        mq_grad_refuse(k, "'keep_aspect_ratio_policy' is not stretch");
    else if (rank > MAX_RANK)
        mq_grad_refuse(k, "its input has such a rank");
    else if (k->rc == MQ_OK)
        by_matrices(k, rank);
}

const mq_grad_rule mq_grad_rules_resize[] = {
    { "", "Resize", resize },
    { 0 },
};
