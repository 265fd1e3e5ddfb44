# Other names in the file; one that the model lacks, a type that differs, and a file that is cut off.
cp "$TESTDATA/digits_cnn.onnx" model.onnx
mq convert model.onnx -q -o renamed.onnx --rename fc.weight=head.weight,fc.bias=head.bias --weights-out w.safetensors
echo "{\"head.weight\": \"fc.weight\", \"head.bias\": \"fc.bias\"}" >map.json
mq convert model.onnx -q -o out.onnx --weights-in w.safetensors --weights-map map.json
mq convert model.onnx -q -o no.onnx --weights-in w.safetensors || echo "exit $?"
mq convert model.onnx -q -o half.onnx --precision fp16
mq convert half.onnx -q -o no.onnx --weights-in w.safetensors --weights-map map.json || echo "exit $?"
head -c 9000 w.safetensors >short.safetensors
mq convert model.onnx -q -o no.onnx --weights-in short.safetensors --weights-map map.json || echo "exit $?"
test ! -e no.onnx
# by type, shape and order
mq convert model.onnx -o ordered.onnx --weights-in w.safetensors --weights-map order 2>&1 | grep by-order
mq check ordered.onnx -q --against model.onnx
