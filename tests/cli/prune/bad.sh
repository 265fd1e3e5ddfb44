# What cannot be is said, with the exit status of its kind.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
m=m.onnx
fails() {
    local want=$1
    shift
    mq prune "$m" -o out.onnx "$@" && exit 9 || test $? = "$want"
}
fails 2
fails 2 --sparsity 1
fails 2 --sparsity=-0.1
fails 2 --sparsity half
fails 2 --sparsity 150%
fails 2 --sparsity 0.5 --nonzeros 10
fails 2 --threshold 0.1 --method random
fails 2 --threshold=-1
fails 2 --pattern 4:2
fails 2 --pattern 0x4 --sparsity 0.5
fails 2 --pattern 2:4 --sparsity 0.3
fails 2 --pattern 2:4 --nonzeros 3
fails 2 --pattern 2:4 --scope global
fails 2 --sparsity 0.5 --method sparsegpt
fails 2 --sparsity 0.5 --method wanda --scope global --data random:4
fails 2 --sparsity 0.5 --method wanda --pattern 1x4 --data random:4
fails 2 --sparsity 0.5 --method wanda --pattern channel --data random:4
fails 2 --threshold 0.5 --method wanda --data random:4
fails 2 --sparsity 0.5 --nodes nothing
fails 2 --sparsity nothing=0.5
fails 2 --nonzeros 0
fails 4 --sparsity 0
fails 2 --sparsity 0.5 --op-types LSTM
mq quantize "$m" -q -o int8.onnx
mq prune int8.onnx --sparsity 0.5 -o out.onnx && exit 9 || test $? = 2
mq prune "$TESTDATA/digits_mlp.onnx" --sparsity 0.5 -q -o mlp.onnx
mq prune mlp.onnx --sparsity 0.5 -o mlp.onnx && exit 9 || test $? = 2
test ! -e out.onnx
