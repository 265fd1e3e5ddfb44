# Calibration data that do not fit are an error that says what there is; nothing is written.
cp "$TESTDATA/digits_cnn.onnx" "$TESTDATA/digits.npz" .
try() { mq quantize digits_cnn.onnx -o out.onnx -q "$@" || echo $?; }
try --data digits.npz:test_x
try --data digits.npz:test_y --preprocess none
try --data digits.npz:nothing
try --data digits.npz:test_x --preprocess scale=1/16,crop=4x4
try --data missing.npz
try --data random:0
try --mode static
mq run digits_cnn.onnx -q --data random:1 --outputs input -o x.npy
head -c 128 x.npy | sed 's/(1, 1, 8, 8), }  /(0, 1, 8, 8), }  /' >empty.npy
try --data empty.npy
ls out* 2>/dev/null || true
