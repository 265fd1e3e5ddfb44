mq quantize nowhere.onnx -o out.onnx
