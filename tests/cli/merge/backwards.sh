# The output of a later model feeds an earlier one.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq split m.onnx -q -o . --at relu2_out
mq merge m.2of2.onnx m.1of2.onnx --connect relu2_out=relu2_out -o w.onnx --verify load
mq check w.onnx --against m.onnx --data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 40
