# Two tensors cannot share a name.
cp "$TESTDATA/digits_cnn.onnx" .
mq convert digits_cnn.onnx -o out.onnx --rename relu1_out=logits
