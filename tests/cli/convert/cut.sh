# Any tensor can be an edge.
mq convert "$TESTDATA/digits_cnn.onnx" -o out.onnx --inputs relu1_out --outputs pool_out,add_out
