# Which nodes are rewritten.
ops() {
    mq inspect "$1" | grep -E '^  [A-Z][A-Za-z]+ +[0-9]+' | awk '{ print $1, $2 }' | tr '\n' ','
    echo
}
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq convert m.onnx -q -o all.onnx
ops all.onnx
mq convert m.onnx -q -o none.onnx --exclude-op-types BatchNormalization
ops none.onnx
# exclusions hold for rewrites and for the precision
mq convert m.onnx -q -o half.onnx -O2 --precision fp16 --exclude-op-types BatchNormalization
ops half.onnx
# no such name, and options that nothing would use
mq convert m.onnx -q -o x.onnx --nodes nothing || test $? = 2
mq convert m.onnx -q -o x.onnx --opset 18 --nodes '*' || test $? = 2
