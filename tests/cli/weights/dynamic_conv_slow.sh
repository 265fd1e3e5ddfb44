# Integer convolutions are slower than float ones: a warning with the better choice; none where products are most.
cd "$TESTDATA"
mq quantize digits_cnn.onnx --mode dynamic --target onnx,arm64 --dry-run >/dev/null
mq quantize digits_cnn.onnx --mode dynamic --target onnx,arm64 --dry-run --op-types Gemm >/dev/null
mq quantize digits_mlp.onnx --mode dynamic --target onnx,arm64 --dry-run >/dev/null
