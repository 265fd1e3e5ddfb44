# An option that belongs to another command.
mq inspect model.onnx --force
