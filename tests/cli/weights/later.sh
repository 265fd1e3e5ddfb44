# Static quantization needs data; data that are not there are an input that cannot be read.
mq quantize model.onnx -o out.onnx --mode static || test $? = 2
mq quantize model.onnx -o out.onnx --data images || test $? = 3
mq quantize model.onnx -o out.onnx --effort best || test $? = 2
