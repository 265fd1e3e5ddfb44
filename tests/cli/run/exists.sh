# An output that exists is refused before anything runs, and stays.
echo old >a.npz
mq run "$TESTDATA/digits_cnn.onnx" --data missing.npz -o a.npz || echo $?
cat a.npz
mq run "$TESTDATA/digits_cnn.onnx" -o nowhere/a.npz || echo $?
mq run "$TESTDATA/digits_cnn.onnx" -o a.csv || echo $?
mq run "$TESTDATA/digits_cnn.onnx" -f || echo $?
