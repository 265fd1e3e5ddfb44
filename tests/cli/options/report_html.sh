# HTML comes later.
mq inspect model.onnx --report report.html
