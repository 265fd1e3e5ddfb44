# A training that goes on from a checkpoint gives what it gives in one go; another one's checkpoint is refused.
cp "$TESTDATA/digits_cnn.onnx" t.onnx
d="$TESTDATA/digits.npz"
args=(t.onnx --data "$d:train_x" --labels "$d:train_y" --preprocess scale=1/16 --epochs 4 --samples 400 -q)
mq distill "${args[@]}" -o one.onnx
timeout 0.3 mq distill "${args[@]}" -o two.onnx --checkpoint c || true
mq distill "${args[@]}" -f -o two.onnx --checkpoint c --resume
cmp one.onnx two.onnx
mq distill "${args[@]}" -o three.onnx --checkpoint c --resume --lr 0.01
