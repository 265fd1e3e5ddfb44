# The report: rows with every run, intervals around the median; standard output holds it alone.
cp "$TESTDATA/digits_cnn.onnx" .
mq bench digits_cnn.onnx -j 1 --runs 7 --json 2>/dev/null >out.json
python3 - <<'EOF'
import json
row = json.load(open("out.json"))["latency"][0]
ms = row["ms"]
print(row["engine"], row["threads"], row["batch"], row["runs"], len(row["raw_ms"]))
print(sorted(ms), ms["min"] <= ms["median"], ms["ci95"][0] < ms["median"] < ms["ci95"][1], ms["median"] <= ms["p90"] <= ms["p99"])
print(min(row["raw_ms"]) == ms["min"], row["first_ms"] > 0, row["load_ms"] > 0, row["peak_activation_bytes"] > 0)
EOF
