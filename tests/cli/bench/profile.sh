# Nodes and operators with their MACs, and a trace that holds the same nodes.
cp "$TESTDATA/digits_mlp.onnx" .
mq bench digits_mlp.onnx -j 1 --runs 5 --profile --trace trace.json --json -q 2>/dev/null >out.json
python3 - <<'EOF'
import json
out = json.load(open("out.json"))
print("macs", out["models"][0]["macs"])
print(sum(node["macs"] for node in out["profile"][0]["nodes"]), len(out["profile"][0]["operators"]) > 0)
events = json.load(open("trace.json"))["traceEvents"]
nodes = {e["name"] for e in events if e["ph"] == "X" and e["cat"] != "run"}
print(nodes == {node["name"] for node in out["profile"][0]["nodes"]}, {e["pid"] for e in events}, min(e.get("ts", 0) for e in events) >= 0)
# Chrome's format: complete events with times in microseconds, names of rows as metadata; runs follow each other, and each node
# lies in one of them.
whole = json.load(open("trace.json"))
print(sorted(whole), sorted({e["ph"] for e in events}), sorted(e["name"] for e in events if e["ph"] == "M"))
timed = [e for e in events if e["ph"] == "X"]
print(all(isinstance(e[k], (int, float)) and e[k] >= 0 for e in timed for k in ("ts", "dur", "pid", "tid")))
runs = sorted((e["ts"], e["ts"] + e["dur"]) for e in timed if e["cat"] == "run")
print(len(runs), all(a[1] <= b[0] for a, b in zip(runs, runs[1:])))
inner = [(e["ts"], e["ts"] + e["dur"]) for e in timed if e["cat"] != "run"]
print(all(sum(a <= x + 0.002 and y <= b + 0.002 for a, b in runs) == 1 for x, y in inner))
EOF
