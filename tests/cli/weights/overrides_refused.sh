# Names, keys and values that cannot be meant.
cd "$TESTDATA"
try() { echo "$1" >"$OLDPWD/o.json"; (cd "$OLDPWD" && ln -sf "$TESTDATA/digits_cnn.onnx" m.onnx && mq quantize m.onnx --dry-run --overrides o.json "${@:2}" || echo "exit $?" >&2); }
try '{"conv2.wight": [{"quant_type": "QInt8"}]}'
try '{"conv2.weight": [{"qtype": "QInt8"}]}'
try '{"conv2.weight": [{"quant_type": "QInt3"}]}'
try '{"conv2.weight": [{"scale": 0.1, "zero_point": 300}]}'
try '{"conv2.weight": [{"scale": -1}]}'
try '{"conv2.weight": [{"scale": [0.1, 0.2]}]}'
try '{"conv2.weight": [{"zero_point": 1}]}'
try '{"conv2.weight": [{"rmin": 1}]}'
try '{"conv2.weight": [{"rmin": 1, "rmax": 0}]}'
try '{"conv2.weight": [{"axis": 4}]}'
try '{"conv2.weight": [{"block_size": 20}]}'
try '{"conv2.weight": [{"scale": 1}, {"scale": 2}]}'
try '{"conv2.weight": [{"quant_type": "QUInt8"}]}' --target tensorrt
try '[]'
try '{'
mq quantize digits_cnn.onnx --dry-run --overrides missing.json || test $? = 3
