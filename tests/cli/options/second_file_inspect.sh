# Commands that write nothing.
mq inspect a.onnx b.onnx
