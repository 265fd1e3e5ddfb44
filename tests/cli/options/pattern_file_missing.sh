# A list of patterns that is not there is an input: exit 3.
mq inspect model.onnx --nodes @list
