# Two parts; what they hand on; the list of them is the model, for every command.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq split m.onnx -o parts --verify load
ls parts
mq check parts/m.1of2.onnx
mq check parts/m.2of2.onnx
mq check parts/m.parts.json --against m.onnx --data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 40
