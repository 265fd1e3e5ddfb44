# A range put into the file by hand wins, with numbers beside it or alone.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
on=(--data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 10)
mq quantize m.onnx -q --calibrate-only "${on[@]}" --calibration-cache c.json
sed 's/"input": {/"input": {"range": [0, 25.5], /' c.json >edited.json
mq quantize m.onnx -q -o m8.onnx "${on[@]}" --calibration-cache edited.json
python3 - <<'END'
import json
c = json.load(open('edited.json'))
c['tensors']['input'] = {'range': [0, 25.5]}
json.dump(c, open('alone.json', 'w'))
END
mq quantize m.onnx -q -o alone.onnx --calibration-cache alone.json
cmp m8.onnx alone.onnx
mq quantize m.onnx -q -o plain.onnx --calibration-cache c.json
if cmp -s m8.onnx plain.onnx; then
    echo 'the range was not looked at'
fi
