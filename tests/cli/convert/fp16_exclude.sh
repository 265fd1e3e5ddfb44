# What stays float, and the Cast around it.
mq convert "$TESTDATA/digits_cnn.onnx" -o 1.onnx --precision fp16 --exclude-op-types Gemm | grep ^mode
mq convert "$TESTDATA/digits_cnn.onnx" -o 2.onnx --precision fp16 --exclude-nodes "conv*" | grep ^mode
