# Writes nothing but reports, and says the same sizes as a real run.
mq quantize "$TESTDATA/digits_cnn.onnx" -q --dry-run -o out.onnx --report dry.json --report dry.md
test "$(ls)" = "dry.json
dry.md"
mq quantize "$TESTDATA/digits_cnn.onnx" -q -o out.onnx --report real.json
python3 - <<'P'
import json
dry, real = (json.load(open(f)) for f in ("dry.json", "real.json"))
assert [(b["name"], b["got"]) for b in dry["bounds"]] == [(b["name"], b["got"]) for b in real["bounds"]], (dry["bounds"], real["bounds"])
P
