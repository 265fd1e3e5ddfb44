# A file of weights is not overwritten either, and nothing else is written then.
cp "$TESTDATA/digits_cnn.onnx" model.onnx
touch w.npz
mq convert model.onnx -q -o out.onnx --weights-out w.npz || echo "exit $?"
test ! -e out.onnx
