# And back.
mq convert "$TESTDATA/digits_cnn_fp16.onnx" -q -o full.onnx --precision fp32
mq inspect full.onnx --json | grep -c float16 || echo "no float16"
