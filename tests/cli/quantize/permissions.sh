# A new file follows the umask, a replaced one keeps what it had.
umask 027
mq quantize "$TESTDATA/digits_cnn.onnx" -q -o out.onnx
stat -c %a out.onnx
chmod 664 out.onnx
mq quantize "$TESTDATA/digits_cnn.onnx" -q -f -o out.onnx
stat -c %a out.onnx
