# What --preprocess does before, the graph does after.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o u8.onnx --embed-preprocess scale=1/16,from=nchw
mq inspect u8.onnx | grep -A1 ^Inputs
mq run "$TESTDATA/digits_cnn.onnx" -q --data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 -o before.npz
mq run u8.onnx -q --data "$TESTDATA/digits.npz:test_x" --preprocess none -o after.npz
cmp before.npz after.npz
