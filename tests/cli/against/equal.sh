# A model equals itself, on generated samples too; inner tensors are listed by name.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq check m.onnx --against m.onnx --data random:3
mq check m.onnx --against m.onnx --tensors 'relu*' -q
