# Channels are taken out, or named with what stops them; zeroes are as good.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
m=m.onnx
mq prune "$m" --pattern channel --sparsity 0.5 --round-to 1 -q -o gone.onnx
mq prune "$m" --pattern channel --sparsity 0.5 --round-to 1 --zero-only -q -o zero.onnx
mq check zero.onnx --against gone.onnx --atol 1e-4 -q
test "$(stat -c %s gone.onnx)" -lt "$(stat -c %s zero.onnx)"
mq prune "$m" --pattern channel --sparsity 0.5 --round-to 1 -j 2 -q -o - | cmp - gone.onnx
mq prune "$m" --pattern channel --max-macs 50% --round-to 1 -q -o half.onnx
for method in taylor activation; do
    mq prune "$m" --pattern channel --sparsity 0.5 --method $method --data random:32 -j 1 -q -o $method.onnx
    mq prune "$m" --pattern channel --sparsity 0.5 --method $method --data random:32 -j 3 -q -o - | cmp - $method.onnx
    mq check $method.onnx -q
done
cmp -s taylor.onnx activation.onnx && exit 9
fails() {
    local want=$1
    shift
    mq prune "$m" -q -o out.onnx "$@" && exit 9 || test $? = "$want"
}
fails 2 --pattern channel
fails 2 --pattern channel --threshold 1
fails 2 --pattern channel --sparsity 0.5 --method max
fails 2 --pattern channel --sparsity nothing=0.5
fails 2 --pattern channel --sparsity 0.5 --nodes nothing
fails 2 --pattern layer --max-macs 50%
fails 2 --pattern layer --sparsity 0.5 --zero-only
fails 2 --sparsity 0.5 --method geomedian
fails 2 --sparsity 0.5 --method taylor --data random:4
fails 2 --pattern channel --sparsity 0.5 --method taylor
fails 2 --pattern layer --sparsity 0.5 --method activation --data random:4
fails 4 --pattern head --sparsity 0.5
fails 4 --pattern channel --sparsity 0.5 --round-to 4096
fails 1 --pattern channel --max-macs 0.1%
test ! -e out.onnx
