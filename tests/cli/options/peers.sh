# Names of other tools are answered with ours.
for o in nodes_to_exclude op_types_to_quantize output weight_type per_layer quiet nodes-to-quantize; do
    mq quantize model.onnx --$o x || test $? = 2
done
for o in '--bits 4' '--quant_format QDQ' '--group_size 32' '--avx512_vnni' '--hqq' '--symmetric True'; do
    # shellcheck disable=SC2086 # two words
    mq quantize model.onnx $o || test $? = 2
done
# The same name may be another option here.
mq inspect model.onnx --format json || test $? = 2
