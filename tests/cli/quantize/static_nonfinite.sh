# NaN in calibration data are counted and refused; --allow-nonfinite leaves them out.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq run m.onnx -q --data random:3 --outputs input -o x.npy
printf '\x00\x00\xc0\x7f' | dd of=x.npy bs=1 seek=400 conv=notrunc status=none
mq quantize m.onnx --data x.npy -o out.onnx -q || echo $?
test ! -e out.onnx
mq quantize m.onnx --data x.npy -o out.onnx -q --allow-nonfinite
mq check out.onnx --against m.onnx --data random:3 --min-sqnr 20 -q
