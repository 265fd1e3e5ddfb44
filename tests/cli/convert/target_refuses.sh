# What the input has and the target lacks is a warning each.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o ort.onnx --target onnxruntime
mq convert ort.onnx -o portable.onnx --target portable --strict | grep -E "^(verdict|warning)"
