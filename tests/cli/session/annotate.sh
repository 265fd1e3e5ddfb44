# Errors as workflow commands.
mq inspect missing.onnx --annotate github
