# What does not go together.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
try() { mq check "$@" || echo $? >&2; }
try m.onnx --min-sqnr 3
try m.onnx --atol 1
try m.onnx --tests .
try m.onnx --against m.onnx --outputs nothere
try m.onnx --against m.onnx --tensors 'nothere*'
try m.onnx --against missing.onnx
try m.onnx --against m.onnx --atol much
try m.onnx --against m.onnx --rtol -1
try m.onnx --dim n=3
try --tests .
try --tests missing
try m.onnx --against m.onnx --layers --carry h=c
