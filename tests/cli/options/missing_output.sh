# A command that writes needs -o.
mq quantize model.onnx
