# A mistyped option.
mq quantize model.onnx -o out.onnx --exclud-nodes x
