# NaN in data is a counted warning; --allow-nonfinite: none; --strict: exit 1.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq run m.onnx -q --data random:3 --outputs input -o x.npy
printf '\x00\x00\xc0\x7f' | dd of=x.npy bs=1 seek=400 conv=notrunc status=none
mq run m.onnx --data x.npy 2>&1 >/dev/null | head -1
mq run m.onnx --data x.npy --json -q | grep not_finite
mq run m.onnx --data x.npy --allow-nonfinite --strict -q >/dev/null
mq run m.onnx --data x.npy --strict -q >/dev/null || echo $?
mq check m.onnx --against m.onnx --data x.npy
