# The recipe of docs/prune.md: pruned with training, then int8; the accuracy stays, and the file is a fraction.
m="$TESTDATA/digits_cnn.onnx" d="$TESTDATA/digits.npz"
mq prune "$m" --sparsity 0.7,fc.weight=0.8 --rounds 6 --lr 3e-3 --data "$d:train_x" --labels "$d:train_y" \
    --preprocess scale=1/16 --val-data "$d:test_x" --val-labels "$d:test_y" -q -o pruned.onnx --report prune.json
mq quantize pruned.onnx --data "$d:train_x" --preprocess scale=1/16 -q -o small.onnx.gz
mq quantize "$m" --data "$d:train_x" --preprocess scale=1/16 -q -o int8.onnx.gz
for f in pruned.onnx small.onnx.gz; do
    mq bench $f --runs 1 --data "$d:test_x" --labels "$d:test_y" --preprocess scale=1/16 -q --report ${f%%.*}.json >/dev/null
done
python3 -c '
import json, os
p = json.load(open("prune.json"))["prune"]
assert abs(p["sparsity"] - 0.763) < 1e-3 and p["rounds"][-1]["metric"] >= 0.975, p["rounds"]
top1 = [json.load(open(f + ".json"))["metrics"][0]["values"][0]["value"] for f in ("pruned", "small")]
sizes = [os.path.getsize(f) for f in ("int8.onnx.gz", "small.onnx.gz")]
assert top1[0] == p["rounds"][-1]["metric"] and top1[1] >= 0.97, top1
assert sizes[1] < 0.7 * sizes[0], sizes'
