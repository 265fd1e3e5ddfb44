# A test folder whose expected output is another one.
mkdir -p t/test_data_set_0
cp "$TESTDATA/digits_cnn.onnx" t/model.onnx
cp "$TESTDATA/digits.npz" .
mq run t/model.onnx -q --data digits.npz:test_x --preprocess scale=1/16 --samples 1 -o t/test_data_set_0/output_0.pb
# the input as the run had it: the first picture, divided by 16
mq run t/model.onnx -q --data digits.npz:test_x --preprocess scale=1/16 --samples 1 --outputs input -o t/test_data_set_0/input_0.pb
mq check --tests t
mq run t/model.onnx -q --data random:1 -o t/test_data_set_0/output_0.pb -f
mq check --tests t | sed -E 's/[0-9]+ of 10 elements.*/N of 10/'
mq check --tests t -q >/dev/null || echo $?
