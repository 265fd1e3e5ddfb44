# Reports name the input and the output by their SHA-256.
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o out.onnx --report r.json
for file in "$TESTDATA/digits_mlp.onnx" out.onnx; do
    grep -q "$(sha256sum <"$file" | cut -d' ' -f1)" r.json
done
