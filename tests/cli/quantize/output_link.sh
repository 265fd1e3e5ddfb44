# The file behind a link is replaced, and the link stays.
mkdir store
echo old >store/model.onnx
ln -s store/model.onnx link.onnx
mq quantize "$TESTDATA/digits_cnn.onnx" -q -f -o link.onnx
test -L link.onnx
mq check -q store/model.onnx
test "$(ls -A store)" = model.onnx
