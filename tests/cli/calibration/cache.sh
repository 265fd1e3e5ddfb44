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

# The same file, whatever the number of threads.
for n in 1 3; do
    mq quantize m.onnx -q --calibrate-only "${on[@]}" --threads $n --calibration-cache $n.json
    cmp $n.json c.json
done

# Data are the same wherever they lie, and a model from a pipe is the same model.
mq quantize - -q -o piped.onnx --calibration-cache c.json <m.onnx
cmp plain.onnx piped.onnx
mkdir elsewhere
cp "$TESTDATA/digits.npz" elsewhere
on[1]=elsewhere/digits.npz:test_x
mq quantize m.onnx -q -o elsewhere.onnx "${on[@]}" --calibration-cache c.json
cmp plain.onnx elsewhere.onnx

# Test data, too.
python3 - <<'END'
import os, struct
for k in range(4):
    os.makedirs(f'sets/test_data_set_{k}')
    # TensorProto: dims 1, 1, 8, 8, float, name, raw_data
    raw = struct.pack('<64f', *[(i * 7 + k * 13) % 16 / 16 for i in range(64)])
    with open(f'sets/test_data_set_{k}/input_0.pb', 'wb') as f:
        f.write(b'\x08\x01\x08\x01\x08\x08\x08\x08\x10\x01B\x05inputJ' + bytes([0x80, 2]) + raw)
END
mq quantize m.onnx -q --calibrate-only --data sets --calibration-cache sets.json
mv sets moved
mq quantize m.onnx -q -o sets.onnx --data moved --calibration-cache sets.json
cp moved/test_data_set_0/input_0.pb moved/test_data_set_3
if mq quantize m.onnx -q -o other.onnx --data moved --calibration-cache sets.json 2>/dev/null; then
    echo 'other test data were taken for the same'
fi

# It is among the files of the report.
mq quantize m.onnx -q --dry-run "${on[@]}" --calibration-cache c.json --json >report.json
python3 - <<'END'
import json
files = json.load(open('report.json'))['files']
assert [f['path'] for f in files if f['role'] == 'calibration'] == ['c.json'], files
END

# A dry run writes none.
mq quantize m.onnx -q --dry-run "${on[@]}" --calibration-cache none.json
test ! -e none.json

# That the inputs were drawn is said whenever it is used.
mq quantize m.onnx -q --calibrate-only --data random:4 --calibration-cache drawn.json
mq quantize m.onnx -q -o drawn.onnx --calibration-cache drawn.json --report drawn.json.report.json
grep -q calibration-random drawn.json.report.json
