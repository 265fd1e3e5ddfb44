# --mode auto says what it chose, why, and what it buys; a mode that was given is not explained.
for m in digits_cnn digits_mlp; do
    mq quantize "$TESTDATA/$m.onnx" --dry-run | grep '^mode'
done
mq quantize "$TESTDATA/digits_mlp.onnx" --dry-run --target tensorrt | grep '^mode'
mq quantize "$TESTDATA/digits_mlp.onnx" --dry-run --mode weight | grep '^mode' || true
mq quantize "$TESTDATA/digits_mlp.onnx" --dry-run --mode weight --json | grep -A2 '"mode": {'
