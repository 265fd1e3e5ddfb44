# Types at the edge; without a name those of the kind.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o out.onnx --io-type fp16,logits=int32
mq inspect out.onnx | grep -A4 ^Inputs
