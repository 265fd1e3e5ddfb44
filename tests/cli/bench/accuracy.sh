# Metrics of real data, and how much the quantized model loses.
cp "$TESTDATA/digits_cnn.onnx" .
mq quantize digits_cnn.onnx -o small.onnx -q
mq bench digits_cnn.onnx small.onnx --data "$TESTDATA/digits.npz:test_x" --labels "$TESTDATA/digits.npz:test_y" \
    --preprocess scale=1/16 --batch 50 --runs 3 -j 1 --metric f1 --max-drop 1% --min-metric 0.95 --json 2>/dev/null >out.json
python3 - <<'EOF'
import json
out = json.load(open("out.json"))
for model in out["metrics"]:
    values = {v["name"]: v for v in model["values"]}
    print(model["output"], model["samples"], values["top1"]["value"], values["f1"]["main"], len(model["classes"]))
    print(sum(c["samples"] for c in model["classes"]), 0.98 < values["f1"]["value"] < 0.99, "drop" in values["f1"])
for bound in out["bounds"]:
    print(bound["name"], bound["tensor"], bound["asked"], bound["pass"])
EOF
