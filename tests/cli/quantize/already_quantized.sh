# A model is quantized once.
cd "$TESTDATA"
mq quantize odd/qdq_weight_only.onnx -o /dev/null
