# What is said of a file stays in one line, whatever the file is called.
cp "$TESTDATA/digits_cnn.onnx" $'two\nlines.onnx'
mq check $'two\nlines.onnx'
