# Names of tensors.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o out.onnx --rename input=image,logits=scores
mq inspect out.onnx | grep -A4 ^Inputs
