# Parts of one model share constants: they are one again without a prefix.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq split m.onnx -q -o . --parts 3
mq merge m.1of3.onnx m.2of3.onnx m.3of3.onnx -q -o w.onnx
mq check w.onnx -q --against m.onnx
mq convert m.onnx -q -o relu.onnx --inputs bn1_out --outputs relu1_out
# models that feed each other, node by node in one direction
mq convert m.onnx -q -o ab.onnx --inputs input,relu1_out --outputs bn1_out,conv2_out
mq merge ab.onnx relu.onnx -q -o round.onnx --connect bn1_out=bn1_out,relu1_out=relu1_out
mq convert m.onnx -q -o whole.onnx --outputs conv2_out
mq check round.onnx -q --against whole.onnx
