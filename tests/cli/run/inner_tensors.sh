# --tensors gives tensors from inside; --inputs and --outputs run a part.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq inspect m.onnx --nodes '*' --json | grep -o '"op_type": "[A-Za-z]*"' | sort | uniq -c | sort -rn | head -1
mq run m.onnx -q --data random:2 --tensors '*' -o all.npz
mq run m.onnx -q --outputs nothere || echo $?
mq run m.onnx -q --tensors 'nothere*' || echo $?
mq run m.onnx -q --tensors '*' -o one.npy || echo $?
