# The same bytes at any number of threads, for every method, scope and pattern.
m="$TESTDATA/digits_cnn.onnx"
for how in '--sparsity 0.5' '--sparsity 50% --scope global' '--sparsity 0.3 --method random --seed 7' '--sparsity 0.3 --method max' \
    '--sparsity 0.3 --method min --scope global' '--pattern 2:4' '--pattern 1x4 --sparsity 0.5' '--threshold 0.05' \
    '--sparsity 0.5 --method sparsegpt --data random:8' '--pattern 2:4 --method sparsegpt --data random:8' \
    '--sparsity 0.5 --method wanda --data random:8' '--nonzeros 20 --no-keep-ends' '--pattern 2x2 --sparsity 0.5 --scope global --method l2'; do
    mq prune "$m" $how -q -j 1 --verify load -o one.onnx -f 2>/dev/null
    mq prune "$m" $how -q -j 3 --verify load -o three.onnx -f 2>/dev/null
    cmp one.onnx three.onnx
    mq check one.onnx -q
done
