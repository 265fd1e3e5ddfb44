# The older form of the same net, and fp16: other types and opsets are compared as numbers.
cd "$TESTDATA"
data=(--data digits.npz:test_x --preprocess scale=1/16 --samples 50 -q)
mq check digits_cnn_opset9.onnx --against digits_cnn.onnx "${data[@]}" --min-sqnr 80
mq check digits_cnn_fp16.onnx --against digits_cnn.onnx "${data[@]}" --min-sqnr 45
mq check digits_cnn_fp16.onnx --against digits_cnn.onnx "${data[@]}" | sed -E 's/  +.*//'
