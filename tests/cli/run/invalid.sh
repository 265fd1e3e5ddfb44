# A model that breaks a rule is refused, one whose nodes are out of order is run.
cp "$TESTDATA/bad/op_too_new.onnx" m.onnx
mq run m.onnx -q || echo $?
mq run "$TESTDATA/bad/unsorted_nodes.onnx" -q | grep -c sample
