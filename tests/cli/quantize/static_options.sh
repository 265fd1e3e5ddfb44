# Combinations that cannot work say why, before the model is looked for.
try() { mq quantize model.onnx -o out.onnx "$@" || test $? = 2; }
try --act-type int8
try --act-symmetric
try --calibration minmax
try --calibration mse --mode weight --data x.npz
try --percentile 99 --data x.npz
try --percentile 99 --data x.npz --calibration mse
try --percentile 50 --data x.npz --calibration percentile
try --mode static
try --format qoperator
try --format qoperator --mode dynamic --data x.npz
try --format nbits --data x.npz
try --type int2 --data x.npz
try --format qoperator --data x.npz --type int4
try --format qoperator --data x.npz --act-type int16
try --format qoperator --data x.npz --act-type int8 --type uint8
try --format qoperator --data x.npz --target tensorrt
try --data x.npz --target tensorrt --act-type uint8
try --data x.npz --target tensorrt --act-asymmetric
try --data x.npz --target portable --type uint8
try --data x.npz --target c --act-type int16
try --data x.npz --act-type int4
