# What calibration found of each activation that became integers: the JSON has it, Markdown and HTML name the tensors.
mq quantize "$TESTDATA/digits_cnn.onnx" -q --data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 \
    --samples 50 -o out.onnx --report r.json,r.md,r.html
python3 - <<'P'
import json
r = json.load(open("r.json"))
page, text = open("r.html").read(), open("r.md").read()
assert page.count("class=\"hist\"") == len(r["activations"])
assert r["mode"]["name"] == "static" and len(r["activations"]) > 3
for a in r["activations"]:
    assert a["low"] <= 0 <= a["high"] and a["low"] < a["high"] and a["scale"] > 0, a
    assert a["type"] == "uint8" and 0 <= a["zero_point"] <= 255, a
    assert a["values"] > 0 and 0 <= a["clipped"] < a["values"] / 10 and a["sqnr_db"] > 15, a
    assert len(a["histogram"]) == 32 and 0 < sum(a["histogram"]) <= a["values"] and a["min"] < a["max"], a
    assert f"<code>{a['name']}</code>" in page and f"| `{a['name']}` |" in text, a
    assert f"<title>{a['name']}: {a['sqnr_db']:.1f} dB" in page, a
P
