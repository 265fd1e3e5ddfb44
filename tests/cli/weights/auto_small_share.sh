# Where weights are a small share of the file, a percentage says more than "1.0 times"; the way to speed takes 8 bits.
mq quantize "$TESTDATA/digits_mlp.onnx" --dry-run --tensors fc3.weight | grep '^mode'
mq quantize "$TESTDATA/digits_mlp.onnx" --dry-run --type int4 2>&1 | grep '^mode'
mq quantize "$TESTDATA/digits_mlp.onnx" --dry-run --type uint8 | grep '^mode'
mq quantize "$TESTDATA/digits_mlp.onnx" --dry-run --format nbits | grep '^mode'
