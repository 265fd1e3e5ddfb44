# Asked for by target where products are of integers: the same file as with --reduce-range.
q() { mq quantize -q "$TESTDATA/digits_mlp.onnx" --mode dynamic "$@"; }
q -o a.onnx --target onnx,x64-avx2
q -o b.onnx --reduce-range
q -o c.onnx --target onnx,x64-vnni
cmp a.onnx b.onnx
! cmp -s a.onnx c.onnx
