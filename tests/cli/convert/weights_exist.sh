# A file of weights is not overwritten either, and nothing else is written then.
touch w.npz
mq convert "$TESTDATA/digits_cnn.onnx" -q -o out.onnx --weights-out w.npz || echo "exit $?"
test ! -e out.onnx
