# Half the size, the same inputs and outputs where they are to stay.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o half.onnx --precision fp16
mq convert "$TESTDATA/digits_cnn.onnx" -q -o io.onnx --precision fp16 --keep-io-types
for m in half io; do
    mq inspect $m.onnx | grep -A4 ^Inputs
    test $(($(stat -c %s $m.onnx) * 18)) -lt $(($(stat -c %s "$TESTDATA/digits_cnn.onnx") * 10))
done
