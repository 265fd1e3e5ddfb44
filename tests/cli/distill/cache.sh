# What the teacher says is kept: the same student from it, and a refusal for other data. Soft labels are probabilities.
cp "$TESTDATA/digits_cnn.onnx" t.onnx
d="$TESTDATA/digits.npz"
train() {
    mq distill-export t.onnx --data "$d:train_x" --labels "$d:train_y" --preprocess scale=1/16 --epochs 2 -q "$@"
}
train -o one.onnx
train -o two.onnx --teacher-cache cache.npz --soft-labels soft.npz
train -o three.onnx --teacher-cache cache.npz
cmp one.onnx two.onnx
cmp one.onnx three.onnx
test -s soft.npz
train -o four.onnx --teacher-cache cache.npz --samples 100
