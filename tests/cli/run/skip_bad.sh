# Every command that takes data names what it cannot read; --skip-bad leaves it out, which the report counts.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mkdir photos
base64 -d >photos/a.png <<'PNG'
iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAASElEQVR42mNggANmNk4efiFRBgY2HiEJORUtBgZOIWkVXTN7BgYeCRUDG48QBgZ+OV0b76hMBgYhFTOPqJw6BgZRLfuQzLrJAME4CTEeO27rAAAAAElFTkSuQmCC
PNG
echo "no image" >photos/b.png
cp photos/a.png photos/c.png
: >photos/d.jpg
on=(--data photos --preprocess order=gray,scale=1/255)
mq quantize m.onnx -q -o m8.onnx "${on[@]}" --skip-bad --report quantize.json
mq run m.onnx -q -o y.npz "${on[@]}" --skip-bad --report run.json
mq check m8.onnx -q --against m.onnx "${on[@]}" --skip-bad --report check.json --min-sqnr 20
mq bench m.onnx -q "${on[@]}" --skip-bad --runs 2 --warmup 0 --report bench.json
for command in "run m.onnx -o z.npz" "check m8.onnx --against m.onnx" "bench m.onnx" "quantize m.onnx -o z.onnx"; do
    # shellcheck disable=SC2086 # words of a command
    mq $command -q "${on[@]}" || test $? = 3
done
test ! -e z.npz && test ! -e z.onnx
python3 - <<'P'
import json
for name in "quantize", "run", "check", "bench":
    warnings = json.load(open(name + ".json"))["warnings"]
    assert [w["place"] for w in warnings if w["code"] == "bad-sample"] == ["photos/b.png", "photos/d.jpg"], (name, warnings)
    assert [w["text"].split()[0] for w in warnings if w["code"] == "data-skipped"] == ["2"], (name, warnings)
P

# What is left out belongs to no shard: joined, they are the whole.
mq quantize m.onnx -q -f -o whole.onnx "${on[@]}" --skip-bad --batch 2
for i in 1 2; do
    mq quantize m.onnx -q --calibrate-only --shard $i/2 "${on[@]}" --skip-bad --batch 2 --calibration-cache $i.json
done
mq quantize m.onnx -q -o joined.onnx --calibration-cache 1.json,2.json
cmp whole.onnx joined.onnx
