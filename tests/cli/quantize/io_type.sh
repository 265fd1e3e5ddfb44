# Inputs and outputs that are integers: declared so, explained in the metadata and the report; what compares and runs models
# takes the float model's data.
cp "$TESTDATA/digits_cnn.onnx" "$TESTDATA/digits.npz" .
data="--data digits.npz:test_x --preprocess scale=1/16"
mq quantize digits_cnn.onnx $data --samples 50 -o int8.onnx -q --io-type int8 --min-sqnr 25 --report r.json,r.md,r.html
mq quantize digits_cnn.onnx $data --samples 50 -o input.onnx -q --io-type input=uint8
mq quantize digits_cnn.onnx $data --samples 50 -o as_is.onnx -q --act-type int8 --io-type float
mq quantize digits_cnn.onnx $data --samples 50 -o plain.onnx -q --act-type int8
cmp as_is.onnx plain.onnx
mq inspect int8.onnx --json >i.json
mq inspect input.onnx --json >u.json
mq check int8.onnx --against digits_cnn.onnx $data --samples 50 --min-sqnr 25 -q
mq check int8.onnx --against plain.onnx $data --samples 50 --min-sqnr 30 -q
mq check plain.onnx --against int8.onnx $data --samples 50 --min-sqnr 30 -q
mq check int8.onnx --against plain.onnx --min-sqnr 20 -q # on generated inputs
mq bench digits_cnn.onnx int8.onnx $data --runs 2 --min-sqnr 25 -q
mq bench digits_cnn.onnx int8.onnx --runs 2 -q
mq run int8.onnx $data --samples 3 -o ints.npz -q
mq run int8.onnx --data ints.npz -q 2>/dev/null && echo "an output feeds no input"
python3 - <<'P'
import json
r, i, u = json.load(open("r.json")), json.load(open("i.json"))["model"], json.load(open("u.json"))["model"]
edges = {e["role"]: e for e in r["io"]}
assert len(r["io"]) == 2 and edges["input"]["name"] == "input" and edges["output"]["name"] == "logits", r["io"]
props = {p["key"]: p["value"] for p in i["metadata"]}
for e in r["io"]:
    assert e["type"] == "int8" and -128 <= e["zero_point"] <= 127 and e["scale"] > 0, e
    assert props[f"mq.io.{e['name']}.scale"] == "%.9g" % e["scale"], props
    assert props[f"mq.io.{e['name']}.zero_point"] == str(e["zero_point"]), props
    for form in ("r.md", "r.html"):
        assert e["name"] in open(form).read().split("(q - zero point)")[1], form
assert [x["type"] for x in i["inputs"] + i["outputs"]] == ["int8", "int8"], i["inputs"]
assert [x["type"] for x in u["inputs"] + u["outputs"]] == ["uint8", "float"], u["inputs"]
P
