# The mean of a model with itself is the model; opsets are made equal, and that is said.
cp "$TESTDATA/digits_cnn.onnx" a.onnx
cp "$TESTDATA/digits_cnn_opset9.onnx" b.onnx
mq merge a.onnx b.onnx --average -o e.onnx --verify run --shape input=1x1x8x8
mq check e.onnx --against a.onnx --data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 40 --min-sqnr 100
