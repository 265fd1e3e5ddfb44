# A mistyped command is answered with the nearest.
mq quantise model.onnx
