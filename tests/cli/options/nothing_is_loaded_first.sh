# All options are checked before a model is looked at.
mq quantize missing.onnx -o out.onnx --op-types "" || test $? = 2; test ! -e out.onnx
