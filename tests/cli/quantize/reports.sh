# Each form by its name, several at once; existing ones are replaced without -f.
echo old | tee r.json r.md r.xml >/dev/null
mq quantize "$TESTDATA/digits_mlp.onnx" -q -o out.onnx --report r.json --report r.md,r.xml --report json:other.txt
python3 - <<'P'
import json, xml.dom.minidom
a, b = (json.load(open(f)) for f in ("r.json", "other.txt"))
a.pop("measured"), b.pop("measured")
assert a == b and a["verdict"] == "pass" and a["tool"]["command"] == "quantize"
xml.dom.minidom.parse("r.xml")
assert open("r.md").read().startswith("#")
P
