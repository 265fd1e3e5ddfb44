# Of many differences the first are shown; -v shows more.
cp "$TESTDATA/digits_cnn.onnx" a.onnx
cp "$TESTDATA/digits_mlp.onnx" b.onnx
mq diff a.onnx b.onnx | tail -1
mq diff a.onnx none.onnx || test $? = 3
mq diff a.onnx || test $? = 2
