# JSON by name, or by --to; the text is JSON.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o out.json
mq convert "$TESTDATA/digits_cnn.onnx" -q -o - --to json | cmp - out.json
head -3 out.json
