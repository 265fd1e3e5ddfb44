# One rule: what is written depends on everything that was read, external data and lists too.
cp "$TESTDATA/digits_mlp.onnx" m.onnx
cp -r "$TESTDATA/odd/external_many_files" in
echo '*' >nodes.txt
mq quantize m.onnx -q -o out.onnx --external-data w.bin --nodes @nodes.txt --depfile out.d
cat out.d
mq quantize in/model.onnx -q -o none.onnx --depfile none.d 2>/dev/null || test $? = 4
test ! -e none.d
