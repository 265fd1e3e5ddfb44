# Compressed by name when written, by content when read; the same bytes every time.
gzip -c "$TESTDATA/digits_mlp.onnx" >in.bin
mq quantize in.bin -q -o a.onnx.gz
sleep 0.01
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o b.onnx.gz
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o plain.onnx
cmp a.onnx.gz b.onnx.gz
gzip -dc a.onnx.gz | cmp - plain.onnx
mq check -q a.onnx.gz
