# The parts of a model, merged by their names, are the model: to the bit. What was connected is said.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq split m.onnx -q -o . --at relu2_out
mq merge m.1of2.onnx m.2of2.onnx -o w.onnx --verify load
mq run m.onnx -q --data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 7 -o whole.npz
mq run w.onnx -q --data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 7 -o merged.npz
cmp whole.npz merged.npz
