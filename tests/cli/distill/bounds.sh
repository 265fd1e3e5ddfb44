# Bounds on times, costs and what a command says; time that is up; the output that is judged.
d="$TESTDATA/digits.npz"
cp "$TESTDATA/digits_cnn.onnx" m.onnx
train() {
    mq distill-export m.onnx --data "$d:train_x" --labels "$d:train_y" --preprocess scale=1/16 --samples 256 --epochs 2 -q -j 2 "$@"
}
train -o a.onnx --max-latency 1h --max-macs 30% --max-ram 1M --min-metric 0.1 --max-drop 100% --json 2>&1 | python3 -c '
import json, sys
r = json.load(sys.stdin)
for b in r["bounds"]:
    print(b["name"], b["asked"], b["pass"])
drop = r["metrics"][-1]["values"][0]["drop"]
print(drop["ci95"][0] < drop["value"] < drop["ci95"][1])'
train -o b.onnx --max-ram 1K || test $? = 1
train -o b.onnx --min-speedup 100000 2>missed || test $? = 1
grep -o 'min-speedup: asked >= 1e+05' missed
# smaller is better, and it is a quarter
train -o c.onnx --eval-cmd 'stat -c %s {}' --lower-is-better --max-drop 0
train -o d.onnx --eval-cmd 'test "$MQ_REFERENCE" = m.onnx; stat -c %s {}' --min-metric 30000 || test $? = 1
ls ./*.onnx
train -o e.onnx --epochs 1000 --early-stop 0 --time-limit 1ms --metric-output logits
train -o f.onnx --metric-output nothing || test $? = 2
train -o f.onnx --target onnxruntime || test $? = 2
train -o f.onnx --max-evals 3 || test $? = 2
train -o f.onnx --quantize --target tensorrt
mq inspect f.onnx --json | python3 -c '
import json, sys
print("int8" in sys.stdin.read())'
