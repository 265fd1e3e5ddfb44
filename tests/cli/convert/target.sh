# ONNX Runtime has operators of its own; the second run finds nothing, and the target takes what is written.
mq convert "$TESTDATA/digits_cnn.onnx" -o ort.onnx --target onnxruntime | grep -E "^(nodes|passes)"
mq convert ort.onnx -o again.onnx --target onnxruntime -q
cmp ort.onnx again.onnx
mq check ort.onnx --target onnxruntime -q
mq convert "$TESTDATA/digits_cnn.onnx" -o portable.onnx --target portable | grep -E "^(nodes|passes)"
mq check portable.onnx --target portable -q
mq diff ort.onnx portable.onnx > diff.txt || grep -c FusedConv diff.txt
