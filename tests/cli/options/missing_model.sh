# A command without a model.
mq quantize -o out.onnx
