# What a report of static quantization says besides: the ceiling beside each output, what was done against the loss, and how
# long both models take. Fast does without the first two.
data="--data $TESTDATA/digits.npz:test_x --preprocess scale=1/16 --samples 50"
for format in qdq qoperator; do
    mq quantize "$TESTDATA/digits_cnn.onnx" $data --format $format --equalize -o out.onnx -f --report r.json,r.md,r.html >r.txt
    grep -q "^ceiling  [0-9.]* dB" r.txt
    grep -q "^refined .* smoothed .* equalized, .* corrected" r.txt
    grep -q "^speed .* times as fast" r.txt
    python3 - <<'P'
import json
r = json.load(open("r.json"))
a, refined, speed = r["agreement"][0], r["refinements"], r["measured"]["speed"]
assert a["sqnr_db"] + 1 < a["ceiling_db"] < 80, a
assert refined["bias_correction"]["biases"] == 5 and refined["bias_correction"]["rms_shift"] > 0, refined
assert refined["equalization"]["tensors"] >= 1, refined
s = refined["smoothing"]
assert s["activations"] == 0 or (0 < s["least_alpha"] <= s["most_alpha"] <= 1 and s["expected_gain_db"] > 0), s
assert speed["threads"] == 1 and speed["runs"] >= 3 and speed["before_ms"] > 0 and speed["after_ms"] > 0, speed
assert abs(speed["speedup"] - speed["before_ms"] / speed["after_ms"]) < 1e-3 * speed["speedup"], speed
for form in ("r.md", "r.html"):
    text = open(form).read()
    assert f"{a['ceiling_db']:.2f} dB" in text, form
    assert "biases corrected" in text and "times as fast" in text and "ceiling" in text, form
P
done
mq quantize "$TESTDATA/digits_cnn.onnx" $data --io-type uint8 -o edges.onnx --report e.json -q
python3 -c 'import json; a = json.load(open("e.json"))["agreement"][0]; assert a["ceiling_db"] > a["sqnr_db"] + 1, a'
mq quantize "$TESTDATA/digits_cnn.onnx" $data --effort fast -o fast.onnx --report r.json >r.txt
grep -q "^ceiling\|^refined" r.txt && echo "fast looked further"
mq quantize "$TESTDATA/digits_cnn.onnx" $data --act-type int16 -o int16.onnx --report r.json >r.txt 2>/dev/null
grep -q "^ceiling" r.txt && echo "16 bits have a ceiling"
mq quantize "$TESTDATA/digits_cnn.onnx" $data -o quiet.onnx >r.txt
grep -q "^speed" r.txt && echo "speed was measured for nobody"
python3 -c 'import json; r = json.load(open("r.json")); assert "ceiling_db" not in r["agreement"][0]'
