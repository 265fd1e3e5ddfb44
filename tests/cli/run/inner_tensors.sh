# --tensors gives tensors from inside; --inputs and --outputs run a part; wrong names get the nearest.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq run m.onnx -q --data random:1 --tensors '*' | grep -c '^  '
mq run m.onnx -q --data random:2 --tensors '*' -o all.npz
mq run m.onnx -q --data random:1 --outputs logit || echo $?
mq run m.onnx -q --data random:1 --inputs inpt || echo $?
mq run m.onnx -q --data random:1 --tensors 'nothere*' || echo $?
mq run m.onnx -q --data random:1 --tensors '*' -o one.npy || echo $?
