# What does not fit is named, with what the model wants and what the data have.
cp "$TESTDATA/digits_cnn.onnx" "$TESTDATA/digits.npz" .
mq run digits_cnn.onnx --data digits.npz || echo $?
mq run digits_cnn.onnx --data digits.npz:test_x || echo $?
mq run digits_cnn.onnx --data digits.npz:test_y --preprocess none || echo $?
mq run digits_cnn.onnx --data missing.npz || echo $?
mq run digits_cnn.onnx --data nobody=digits.npz || echo $?
mq run digits_cnn.onnx --dim n=2 || echo $?
mq run digits_cnn.onnx --fill x=zeros || echo $?
mq run digits_cnn.onnx --data random:0 || echo $?
