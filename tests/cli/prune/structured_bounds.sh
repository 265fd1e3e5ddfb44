# A bound in the place of a share of channels: each group loses what its curve allows; met, or not met and said.
d="$TESTDATA/digits.npz"
cp "$TESTDATA/digits_cnn.onnx" m.onnx
hunt() {
    mq prune m.onnx --pattern channel --round-to 1 --data "$d:train_x" --labels "$d:train_y" --samples 64 \
        --preprocess scale=1/16 -q "$@"
}
hunt -o a.onnx --max-macs 60% -j 1 --json | python3 -c '
import json, sys
d = json.load(sys.stdin)
print(all(b["pass"] for b in d["bounds"]), "search" in d["prune"], [len(c["points"]) for c in d["sensitivity"]])'
hunt -o b.onnx --max-macs 60% -j 3
cmp a.onnx b.onnx
hunt -o c.onnx --max-drop 5% --method taylor --json | python3 -c '
import json, sys
d = json.load(sys.stdin)
tried = d["prune"]["search"]["tried"]
held = [t["macs"] for t in tried if t["held"]]
print(all(b["pass"] for b in d["bounds"]), len(tried) == d["prune"]["search"]["evaluations"] > 2, min(held) < 1)'
hunt -o d.onnx --min-sqnr 10 --method taylor
hunt -o e.onnx --min-speedup 1.0001 --time-limit 1s --json | python3 -c '
import json, sys
d = json.load(sys.stdin)
tried = d["prune"]["search"]["tried"]
print([t["macs"] < 1 and t["speedup"] > 0 and t["latency_ms"] > 0 for t in tried][0])' || test $? = 1
hunt -o f.onnx --max-latency 0.000001ms --time-limit 1s 2>missed || test $? = 1
grep -o 'max-latency: asked <= 1e-06 ms' missed
hunt -o g.onnx --min-sqnr 300 2>missed || test $? = 1
grep -o 'got 0: every group loses more than they allow' missed
test ! -e f.onnx -a ! -e g.onnx
hunt -o h.onnx --sparsity 0.25 --sensitivity --json | python3 -c '
import json, sys
print(len(json.load(sys.stdin)["sensitivity"]))'
