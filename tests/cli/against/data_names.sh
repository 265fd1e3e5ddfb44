# Other names of inputs and outputs go by position; a model with other sizes does not fit.
cp "$TESTDATA"/digits_*.onnx .
mq check digits_mlp.onnx --against digits_cnn.onnx --data random:1 || echo $?
cp "$TESTDATA/odd/gemm_no_bias.onnx" .
mq check gemm_no_bias.onnx --against digits_cnn.onnx --data random:1 || echo $?
