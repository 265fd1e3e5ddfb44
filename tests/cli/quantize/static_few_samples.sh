# One sample is enough; activations that never change get a scale, too.
cp "$TESTDATA/digits_cnn.onnx" "$TESTDATA/digits.npz" .
mq quantize digits_cnn.onnx --data digits.npz:test_x --preprocess scale=1/16 --samples 1 -o one.onnx -q
mq check one.onnx --against digits_cnn.onnx --data digits.npz:test_x --preprocess scale=1/16 --samples 50 --min-sqnr 10 -q
for method in minmax ema percentile entropy mse; do
    mq quantize digits_cnn.onnx --data random:2,uniform=0/0 --calibration $method -o $method.onnx -q
done
for value in 0 1 1e30; do
    mq quantize digits_cnn.onnx --fill input=$value --shape input=4x1x8x8 --data random:1 -o x.onnx -f -q || echo "$value: $?"
done
