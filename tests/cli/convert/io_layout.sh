# The other layout, and back again.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o last.onnx --io-layout input=nhwc
mq inspect last.onnx | grep -A1 ^Inputs
mq convert last.onnx -q -o second.onnx --io-layout input=nchw
mq inspect second.onnx | grep -A1 ^Inputs
mq check second.onnx -q --against "$TESTDATA/digits_cnn.onnx" --min-sqnr 120
