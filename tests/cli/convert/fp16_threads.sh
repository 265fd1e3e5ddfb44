# Same bytes at any number of threads.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o 1.onnx --precision fp16 -j 1 --data random:2
mq convert "$TESTDATA/digits_cnn.onnx" -q -o 2.onnx --precision fp16 -j 2 --data random:2
cmp 1.onnx 2.onnx
