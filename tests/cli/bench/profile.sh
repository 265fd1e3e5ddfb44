# Nodes and operators with their MACs, and a trace that holds the same nodes.
cp "$TESTDATA/digits_mlp.onnx" .
mq bench digits_mlp.onnx -j 1 --runs 5 --profile --trace trace.json --json -q 2>/dev/null >out.json
python3 - <<'EOF'
import json
out = json.load(open("out.json"))
print("macs", out["models"][0]["macs"])
print(sum(node["macs"] for node in out["profile"][0]["nodes"]), len(out["profile"][0]["operators"]) > 0)
events = json.load(open("trace.json"))["traceEvents"]
nodes = {e["name"] for e in events if e["ph"] == "X"}
print(nodes == {node["name"] for node in out["profile"][0]["nodes"]}, {e["pid"] for e in events}, min(e.get("ts", 0) for e in events) >= 0)
EOF
