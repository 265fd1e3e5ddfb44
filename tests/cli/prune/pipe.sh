# Through pipes, with zeros that stay zeros; a failure in front fails as a whole.
m="$TESTDATA/digits_cnn.onnx"
set -o pipefail
mq prune "$m" --sparsity 0.5 -q -o pruned.onnx
mq quantize pruned.onnx -q -o file.onnx
mq prune "$m" --sparsity 0.5 -q -o - | mq quantize - -q -o - | cmp - file.onnx
mq prune "$m" --sparsity 2 -q -o - 2>/dev/null | mq quantize - -q -o none.onnx 2>/dev/null && exit 9
test ! -e none.onnx
