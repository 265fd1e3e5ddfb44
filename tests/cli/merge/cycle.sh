# Two models that feed each other.
cp "$TESTDATA/digits_cnn.onnx" a.onnx
mq convert a.onnx -q -o relu.onnx --inputs bn1_out --outputs relu1_out
mq merge relu.onnx relu.onnx --prefix a/,b/ --connect a/relu1_out=b/bn1_out,b/relu1_out=a/bn1_out -o w.onnx
