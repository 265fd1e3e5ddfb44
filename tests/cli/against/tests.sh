# ONNX test folders: exit 0 equal, 1 a difference, 4 an operator without a kernel.
cp -r "$TESTDATA/node_tests" . 2>/dev/null || { mkdir -p t/test_data_set_0; cp "$TESTDATA/odd/output_is_input.onnx" t/model.onnx; }
mq check --tests t
mkdir -p u/test_data_set_0 && cp "$TESTDATA/odd/domain_custom_op.onnx" u/model.onnx
mq check --tests u || echo $?
mkdir all && mv t u all && mkdir all/none
mq check --tests all -v || echo $?
