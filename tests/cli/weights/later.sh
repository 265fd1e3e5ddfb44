# What a later version has; calibration data are unsupported, not a wrong command line.
mq quantize model.onnx -o out.onnx --mode static || test $? = 2
mq quantize model.onnx -o out.onnx --data images || test $? = 4
