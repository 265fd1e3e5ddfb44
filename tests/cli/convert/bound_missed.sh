# A bound that is missed: exit 1, nothing is written.
cp "$TESTDATA/digits_cnn.onnx" .
mq convert digits_cnn.onnx -q -o out.onnx --max-size 50% || echo "exit $?"
test ! -e out.onnx
