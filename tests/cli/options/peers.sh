# Names of other tools are answered with ours.
for o in nodes_to_exclude op_types_to_quantize output weight_type per_layer quiet nodes-to-quantize; do
    mq quantize model.onnx --$o x || test $? = 2
done
