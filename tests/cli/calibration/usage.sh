# Options of calibration against each other.
refused() {
    mq quantize m.onnx "$@" || test $? = 2
}
cp "$TESTDATA/digits_cnn.onnx" m.onnx
refused --calibrate-only --data random:2
refused --calibrate-only --data random:2 --calibration-cache a.json,b.json
refused --calibrate-only --calibration-cache a.json
refused --calibrate-only --data random:2 --calibration-cache a.json -o m8.onnx
refused --calibrate-only --data random:2 --calibration-cache a.json --dry-run
refused --calibrate-only --data random:2 --calibration-cache a.json --mode dynamic
refused --calibrate-only --data random:2 --calibration-cache a.json --depfile a.d
refused --data random:2 --calibration-cache a.json --shard 1/2 -o m8.onnx
refused --calibration-cache missing.json -o m8.onnx
refused --calibration-cache m8.onnx --data random:2 -o m8.onnx
refused --calibration-cache a.json,a.json -o m8.onnx
for shard in 0/2 3/2 1/0 1 -1/2 1/2/3 '1/ 2'; do
    refused --calibrate-only --data random:2 --calibration-cache a.json --shard "$shard"
done
test "$(ls)" = m.onnx

# What cannot be written is found before the data are run: these would take hours.
late() {
    timeout 20 mq quantize m.onnx -q --data random:1000000000 --samples 0 "$@" || { local status=$?; [[ $status == [25] ]]; }
}
echo old >m8.onnx
late -o m8.onnx
late -o no/m8.onnx
late -f -o m8.onnx --calibration-cache no/c.json
