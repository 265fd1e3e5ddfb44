# A model without float weights that is quantized already has its own sentence.
mq quantize -q "$TESTDATA/digits_mlp.onnx" -o one.onnx
mq quantize one.onnx -o two.onnx --requantize || test $? = 4
