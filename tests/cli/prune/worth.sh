# What pruning buys is said, before and after.
mq prune "$TESTDATA/digits_mlp.onnx" --sparsity 0.5 --no-keep-ends -o out.onnx | grep -A2 -E '^(pruned|worth)'
mq prune "$TESTDATA/digits_mlp.onnx" --sparsity 0.5 --no-keep-ends -o out.onnx.gz | grep -A1 -E '^worth'
mq prune "$TESTDATA/digits_mlp.onnx" --sparsity 0.9 --no-keep-ends --storage sparse --dry-run --json |
    python3 -c 'import json, sys
w = json.load(sys.stdin)["prune"]["worth"]
print(w["sparse_bytes"] < w["dense_bytes"], w["macs"] == w["macs_before"], w["smaller"], w["faster"], w["text"])'
