# So is one that is missing.
mq inspect model.onnx --config c.json
