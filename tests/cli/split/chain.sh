# One part after the other on what the one before gave: what the whole gives, to rounding (a cut may keep two operators from
# being computed as one). The list: the same bytes.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq split m.onnx -q -o parts --parts 3
on=(--preprocess scale=1/16 --samples 7)
mq run m.onnx -q --data "$TESTDATA/digits.npz:test_x" "${on[@]}" -o whole.npz
mq run parts/m.1of3.onnx -q --data "$TESTDATA/digits.npz:test_x" "${on[@]}" -o 1.npz
mq run parts/m.2of3.onnx -q --data 1.npz -o 2.npz
python3 -c 'import zipfile
with zipfile.ZipFile("2.npz", "a") as to, zipfile.ZipFile("whole.npz") as whole:
    to.writestr("logits.npy", whole.read("logits.npy"))'
mq check parts/m.3of3.onnx -q --data 2.npz --min-sqnr 100
mq run parts/m.parts.json -q --data "$TESTDATA/digits.npz:test_x" "${on[@]}" -o joined.npz
cmp whole.npz joined.npz
