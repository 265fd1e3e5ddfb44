# Without data one sample is generated, and this is said.
mq run "$TESTDATA/digits_cnn.onnx" >out
grep -q '^  logits  float\[1,10\] ' out
