# A student of a third of its teacher's MACs, alone and at any number of threads the same bytes.
d="$TESTDATA/digits.npz"
train() {
    mq distill-export "$TESTDATA/digits_cnn.onnx" --data "$d:train_x" --labels "$d:train_y" --val-data "$d:test_x" \
        --val-labels "$d:test_y" --preprocess scale=1/16 --epochs 3 -q "$@"
}
train -j 1 -o one.onnx --min-metric 0.8 --max-size 50% --max-macs 30%
train -j 2 -o two.onnx
cmp one.onnx two.onnx
mq check one.onnx
train --seed 1 -o three.onnx
cmp -s one.onnx three.onnx && echo "another seed gives the same bytes"
exit 0
