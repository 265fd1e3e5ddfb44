# A report whose form nobody can tell.
mq inspect model.onnx --report report
