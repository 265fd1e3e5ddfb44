# Options come after the command.
mq -v inspect model.onnx
