# --dim holds for calibration, too, and is not written. A batch of a size that was given is filled up with copies of the
# last sample: they are not counted.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
on=(--data "$TESTDATA/digits.npz:test_x" --preprocess scale=1/16 --samples 5)
mq quantize m.onnx -q --calibrate-only "${on[@]}" --calibration-cache one.json
mq quantize m.onnx -q --calibrate-only "${on[@]}" --dim batch=4 --calibration-cache four.json
python3 - <<'END'
import json
one, four = (json.load(open(f)) for f in ('one.json', 'four.json'))
assert one['tensors'].keys() == four['tensors'].keys() and one['tensors'], one['tensors'].keys()
assert one['tensors']['input']['count'] == 5 * 64, one['tensors']['input']['count']
for name, t in one['tensors'].items():
    assert t['count'] == four['tensors'][name]['count'], name
assert one['tensors']['input']['bins'] == four['tensors']['input']['bins']
assert 'batch=4' in four['sampling'], four['sampling']
END

# The same for what is seen of channels; their factors and means come from as many values.
mq quantize m.onnx -q -o m8.onnx --effort normal "${on[@]}" --dim batch=4
mq inspect m8.onnx | grep -q 'input *float *\[batch, 1, 8, 8\]'

# A calibration of another shape is another one, and a symbol that the model lacks is wrong.
mq quantize m.onnx -q -o no.onnx "${on[@]}" --calibration-cache four.json 2>/dev/null || test $? = 3
mq quantize m.onnx -q -o no.onnx "${on[@]}" --dim other=4 || test $? = 2
mq quantize m.onnx -q -o no.onnx "${on[@]}" --dim other=4 --effort fast || test $? = 2
test ! -e no.onnx
