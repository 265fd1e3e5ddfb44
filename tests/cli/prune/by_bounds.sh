# A bound in the place of a number of zeros: met with as many as that allows, the same at any number of threads, or not met and said.
d="$TESTDATA/digits.npz"
cp "$TESTDATA/digits_cnn.onnx" m.onnx
hunt() {
    mq prune m.onnx --data "$d:test_x" --labels "$d:test_y" --samples 100 --preprocess scale=1/16 -q "$@"
}
hunt -o a.onnx --max-drop 2% -j 1 --json | python3 -c '
import json, sys
d = json.load(sys.stdin)
tried = d["prune"]["search"]["tried"]
print(all(b["pass"] for b in d["bounds"]), len(tried) == d["prune"]["search"]["evaluations"] > 4)
print(d["prune"]["sparsity"] > 0.3, abs(max(t["sparsity"] for t in tried if t["held"]) - d["prune"]["sparsity"]) < 0.01)
for layer in d["sensitivity"]:
    print(layer["name"], layer["metric"], [p["sparsity"] for p in layer["points"]])'
hunt -o b.onnx --max-drop 2% -j 3
cmp a.onnx b.onnx
hunt -o c.onnx --min-sqnr 20
hunt -o d.onnx --min-metric 1.5 --keep-failed kept.onnx 2>missed || test $? = 1
grep -o 'got 0: every weight loses more than they allow' missed
test ! -e d.onnx -a -e kept.onnx
hunt -o e.onnx --max-drop 2% --max-evals 2 --json 2>missed | python3 -c '
import json, sys
s = json.load(sys.stdin)["prune"]["search"]
print(s["evaluations"], s["stopped"])'
hunt -o f.onnx --max-drop 1% --eval-cmd 'cmp -s {} "$MQ_REFERENCE" && echo 0.75 || echo 0.25' 2>missed || test $? = 1
grep -c 'every weight loses more' missed
hunt -o g.onnx --sparsity 0.5 --sensitivity --json | python3 -c '
import json, sys
print(len(json.load(sys.stdin)["sensitivity"]))'
hunt -o h.onnx --pattern 2:4 --sensitivity 2>/dev/null && exit 9 || test $? = 2
