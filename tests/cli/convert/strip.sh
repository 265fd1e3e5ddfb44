# What nobody computes with.
mq convert "$TESTDATA/digits_cnn.onnx" -q -o out.onnx --strip docs,metadata,names
mq convert out.onnx -q -o out.json
grep -c opType out.json
! grep -q "\"name\": \"conv1\"" out.json
