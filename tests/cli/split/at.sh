# At given tensors, in any order.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq split m.onnx -o parts --at pool_out,relu1_out --verify load
