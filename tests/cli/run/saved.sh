# .npz, .npy and .pb; the same bytes every time; -f replaces; batches give what single samples give, in shape.
in=(--data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 20 -q)
mq run "$TESTDATA/digits_cnn.onnx" "${in[@]}" -o a.npz
mq run "$TESTDATA/digits_cnn.onnx" "${in[@]}" -o b.npz -j 1
cmp a.npz b.npz
mq run "$TESTDATA/digits_cnn.onnx" "${in[@]}" -o a.npy
mq run "$TESTDATA/digits_cnn.onnx" "${in[@]}" -o a.pb
mq run "$TESTDATA/digits_cnn.onnx" "${in[@]}" -o a.npz -f --batch 7
test "$(stat -c %s a.npz)" = "$(stat -c %s b.npz)"
test "$(head -c 6 a.npy | tail -c 5)" = NUMPY
head -c 100 a.npy | grep -a -o "'shape': ([0-9, ]*)"
