# -O1 keeps every bit, -O0 writes what it reads; other jobs rewrite only when asked to, mq simplify always does.
for args in -O0 -O1 "-O 2" "--opset 18" "--opset 18 -O2"; do
    mq convert "$TESTDATA/digits_cnn.onnx" -f -o out.onnx $args | grep ^nodes | sed "s/ -> .*%.*/ and then fewer/"
done
mq simplify "$TESTDATA/digits_cnn.onnx" -f -o out.onnx --opset 18 | grep ^nodes | sed "s/ -> .*%.*/ and then fewer/"
mq convert "$TESTDATA/digits_cnn.onnx" -f -q -o same.onnx -O0
cmp same.onnx "$TESTDATA/digits_cnn.onnx"
