# The data file of an output is an output too.
cp "$TESTDATA/digits_mlp.onnx" .
echo precious >w.bin
code=0
mq quantize digits_mlp.onnx -q -o out.onnx --external-data w.bin || code=$?
test $code = 2
test "$(cat w.bin)" = precious
test ! -e out.onnx
