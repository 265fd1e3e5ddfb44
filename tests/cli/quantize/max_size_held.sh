# In bytes, as a ratio, and lifted.
for bound in 100K 50% 0.5 none 1M; do
    mq quantize "$TESTDATA/digits_mlp.onnx" -q -f -o out.onnx --max-size $bound
done
