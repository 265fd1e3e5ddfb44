# Another job runs no rewrites unless asked to.
mq convert "$TESTDATA/digits_cnn.onnx" -o out.onnx --opset 18 --target onnxruntime
