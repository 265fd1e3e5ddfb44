# A second file is probably the output.
mq quantize model.onnx out.onnx
