mq quantize "$TESTDATA/digits_cnn.onnx" -q --sync -o out.onnx --external-data w.bin
mq check -q out.onnx
