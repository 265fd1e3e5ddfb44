# Sparse storage: smaller where there are many zeros, a warning where there are not; every command reads it.
cp "$TESTDATA/digits_mlp.onnx" m.onnx
mq prune m.onnx --sparsity 0.9 --no-keep-ends --storage sparse -q -o sparse.onnx
mq prune m.onnx --sparsity 0.9 --no-keep-ends -q -o dense.onnx
test $(stat -c %s sparse.onnx) -lt $(($(stat -c %s dense.onnx) / 2))
mq check sparse.onnx -q
mq check dense.onnx --against sparse.onnx -q
mq quantize sparse.onnx -q -o one.onnx
mq quantize dense.onnx -q -o two.onnx
mq diff one.onnx two.onnx -q
mq prune sparse.onnx --sparsity 0.95 --no-keep-ends -q -o one.onnx -f
mq prune dense.onnx --sparsity 0.95 --no-keep-ends -q -o two.onnx -f
mq diff one.onnx two.onnx -q
mq split sparse.onnx -q -o parts
mq check parts/sparse.parts.json --against sparse.onnx -q
mq merge sparse.onnx sparse.onnx --average -q -o average.onnx
mq check average.onnx --against sparse.onnx -q
mq prune m.onnx --sparsity 0.9 --no-keep-ends --storage sparse -q -j 1 -o one.onnx -f
cmp one.onnx sparse.onnx
mq inspect sparse.onnx --tensors fc2.weight | head -1
mq inspect sparse.onnx | grep zeros
mq prune m.onnx --sparsity 0.5 --tensors fc2.weight --storage sparse -q -o half.onnx
cmp half.onnx <(mq prune m.onnx --sparsity 0.5 --tensors fc2.weight -q -o -)
