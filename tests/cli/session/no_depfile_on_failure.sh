# Nothing was written, so there is nothing to depend on.
mq quantize missing.onnx -o out.onnx --depfile out.d || test $? = 3
test ! -e out.d
