# One prefix fewer: the first keeps its names. A head of its own behind the same head's logits.
cp "$TESTDATA/digits_cnn.onnx" a.onnx
mq convert a.onnx -q -o head.onnx --inputs flatten_out
mq convert a.onnx -q -o body.onnx --outputs flatten_out
mq merge body.onnx head.onnx --prefix head/ --connect flatten_out=flatten_out -o w.onnx --verify run --shape input=1x1x8x8
mq merge body.onnx head.onnx head.onnx --prefix a/,b/,c/ --connect flatten_out=b/flatten_out,a/flatten_out=c/flatten_out \
    -o two.onnx --verify run --shape a/input=1x1x8x8
