# Rewrites know three targets, and no CPUs.
mq convert "$TESTDATA/digits_cnn.onnx" -o out.onnx --target tensorrt || [ $? = 2 ]
mq convert "$TESTDATA/digits_cnn.onnx" -o out.onnx --target onnxruntime,arm64
