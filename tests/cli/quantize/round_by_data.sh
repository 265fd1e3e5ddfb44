# Weights rounded by data: nearer to the original than plain rounding, at the same size; the same bytes with any number of
# threads; --effort best does it by itself; without data it says what is missing; when the time is up at once, plain rounding
# is what is left.
m=$TESTDATA/digits_cnn.onnx
data="--data $TESTDATA/digits.npz:test_x --preprocess scale=1/16 --samples 60"
four="--mode weight --type int4 --tensor-type *=int4"
set -f
for how in rtn awq gptq adaround; do
    mq quantize -q "$m" $data $four -o $how.onnx --algorithm $how --json 2>/dev/null >$how.json
done
python3 - <<'P'
import json, os
db = {k: json.load(open(k + ".json"))["agreement"][0]["sqnr_db"] for k in ("rtn", "awq", "gptq", "adaround")}
assert db["awq"] > db["rtn"] + 0.5, db
assert db["gptq"] > db["rtn"] + 2 and db["adaround"] > db["rtn"] + 2, db
assert len({os.path.getsize(k + ".onnx") for k in db}) == 1
r = json.load(open("gptq.json"))["refinements"]["rounding"]
assert r["weights"] == 3 and r["gain_db"] > 2, r
P
mq quantize -q "$m" $data $four -o best.onnx --effort best -j 3 2>/dev/null
cmp adaround.onnx best.onnx
for format in qdq qoperator; do
    mq quantize -q "$m" $data -o one.onnx -f --effort best --format $format -j 1 2>/dev/null
    mq quantize -q "$m" $data -o three.onnx -f --effort best --format $format -j 3 2>/dev/null
    cmp one.onnx three.onnx
done
for how in "--effort best" "--algorithm awq" "--algorithm gptq" "--algorithm adaround"; do
    mq quantize "$m" -o none.onnx $how || echo $?
done
mq quantize "$m" $data -o none.onnx --algorithm awq || echo $?
mq quantize "$m" $data $four -o late.onnx --algorithm gptq --time-limit 1ms --verify load 2>&1 | grep -o "round-stopped"
mq quantize -q "$m" $four -o plain.onnx --verify load 2>/dev/null
cmp late.onnx plain.onnx
