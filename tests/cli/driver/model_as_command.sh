# A model where the command should be.
mq model.onnx
