# The number of threads never changes a byte.
for n in 1 2 3 7; do
    mq quantize "$TESTDATA/digits_cnn.onnx" -q -o $n.onnx -j $n
    cmp 1.onnx $n.onnx
done
