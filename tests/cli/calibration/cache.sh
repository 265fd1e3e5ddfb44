# A calibration is written once, read from then on, with the data or without them, and says of itself what it is.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
on=(--data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 30)
mq quantize m.onnx -q -o plain.onnx "${on[@]}"
mq quantize m.onnx -q -o made.onnx "${on[@]}" --calibration-cache c.json
cp c.json first.json
touch -d '1 hour ago' c.json
touch -d '30 minutes ago' mark
mq quantize m.onnx -q -o read.onnx "${on[@]}" --calibration-cache c.json
mq quantize m.onnx -q -f -o forced.onnx "${on[@]}" --calibration-cache c.json
mq quantize m.onnx -q -o moved.onnx --calibration-cache c.json
for model in made read forced moved; do
    cmp plain.onnx $model.onnx
done
cmp c.json first.json
test c.json -ot mark
python3 - <<'END'
import hashlib, json
c = json.load(open('c.json'))
assert c['model'] == hashlib.sha256(open('m.onnx', 'rb').read()).hexdigest(), c['model']
assert (c['preprocess'], c['samples'], c['shard']) == ('scale=1/16', 30, '1/1'), c
assert c['sampling'] == '30 of 500 samples, batch 1', c['sampling']
END

# Data are the same wherever they lie.
mkdir elsewhere
cp "$TESTDATA/digits.npz" elsewhere
on[1]=elsewhere/digits.npz:test_x
mq quantize m.onnx -q -o elsewhere.onnx "${on[@]}" --calibration-cache c.json
cmp plain.onnx elsewhere.onnx

# A dry run writes none.
mq quantize m.onnx -q --dry-run "${on[@]}" --calibration-cache none.json
test ! -e none.json

# That the inputs were drawn is said whenever it is used.
mq quantize m.onnx -q --calibrate-only --data random:4 --calibration-cache drawn.json
mq quantize m.onnx -q -o drawn.onnx --calibration-cache drawn.json --report drawn.json.report.json
grep -q calibration-random drawn.json.report.json
