# One that is near to none.
mq frobnicate model.onnx
