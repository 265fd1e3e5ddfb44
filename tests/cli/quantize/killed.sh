# Killed while a search runs: no model and no half of one, and the calibration that was written serves the next run.
d="$TESTDATA/digits.npz"
cp "$TESTDATA/digits_cnn.onnx" m.onnx
export TMPDIR=$PWD/tmp
mkdir tmp
mq quantize m.onnx --data "$d:test_x" --preprocess scale=1/16 --samples 50 --calibration-cache c.json -o out.onnx -q \
    --max-drop 1% --eval-cmd 'touch begun; sleep 5; echo 1' &
pid=$!
disown $pid
for ((i = 0; i < 300; i++)); do
    test -e begun && break
    sleep 0.1
done
kill -9 $pid
while kill -0 $pid 2>/dev/null; do
    sleep 0.1
done
ls
mq quantize m.onnx --calibration-cache c.json -o a.onnx -q
mq quantize m.onnx --data "$d:test_x" --preprocess scale=1/16 --samples 50 -o b.onnx -q
cmp a.onnx b.onnx
