# The reason that keeps most of them is named.
cd "$TESTDATA"
mq quantize odd/gemm_trans_b.onnx -o /dev/null
