# The tables: which there are, and what in them does not depend on the machine.
cp "$TESTDATA/digits_cnn.onnx" .
mq quantize digits_cnn.onnx -o small.onnx -q
mq bench digits_cnn.onnx small.onnx -j 1,2 --batch 1,4 --runs 5 --warmup 1 2>/dev/null |
    awk '/^model/ { print $1, $2, $3, $4 } /onnx/ { if (NF > 9) print $1, $2, $3; else print $1 }'
mq bench digits_cnn.onnx -j 1 --runs 5 2>/dev/null | awk '/^model/ { print $0 ~ /speedup/ ? "speedup" : "no speedup" }'
