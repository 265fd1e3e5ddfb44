# What is replaced without -f is no file that is needed: the model, the output, another report.
cp "$TESTDATA/digits_cnn.onnx" model.onnx
ln model.onnx other_name.onnx
mq quantize model.onnx -o x.onnx --report json:x.onnx || test $? = 2
mq quantize model.onnx -o x.onnx --depfile x.onnx || test $? = 2
mq quantize model.onnx -o x.onnx --keep-failed other_name.onnx || test $? = 2
mq inspect model.onnx --report json:./model.onnx || test $? = 2
mq inspect model.onnx --report a.json --report a.json || test $? = 2
mq quantize model.onnx -o x.onnx --depfile - || test $? = 2
mq inspect model.onnx --report json:/dev/null --report md:/dev/null >/dev/null
cmp model.onnx "$TESTDATA/digits_cnn.onnx"
test ! -e x.onnx
