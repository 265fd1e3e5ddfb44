# MQ_THREADS is read strictly.
MQ_THREADS=many mq inspect model.onnx
