mq split "$TESTDATA/digits_cnn.onnx" -o parts --dry-run
test ! -e parts
