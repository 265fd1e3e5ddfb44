# Without data one sample is generated, and this is said.
mq run "$TESTDATA/digits_cnn.onnx" 2>err | sed -E 's/\].*/]/'
head -1 err
