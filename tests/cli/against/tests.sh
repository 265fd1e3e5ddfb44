# ONNX test folders: exit 0 equal, 4 an operator without a kernel, 3 no test.
mkdir -p all/t/test_data_set_0 all/u/test_data_set_0 all/none
cp "$TESTDATA/digits_mlp.onnx" all/t/model.onnx
cp "$TESTDATA/odd/domain_custom_op.onnx" all/u/model.onnx
mq run all/t/model.onnx -q --data random:1 -o all/t/test_data_set_0/output_0.pb
mq run all/t/model.onnx -q --data random:1 --outputs input -o all/t/test_data_set_0/input_0.pb
mq check --tests all/t
mq check --tests all -v || echo $?
mq check --tests all/none || echo $?
