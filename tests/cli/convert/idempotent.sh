# A second run changes nothing, at any number of threads.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o 1.onnx -O3 -j 1
mq convert 1.onnx -q -o 2.onnx -O3 -j 2
cmp 1.onnx 2.onnx
