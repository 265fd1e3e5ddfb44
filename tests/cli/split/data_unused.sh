# Data that nothing would be run on are refused.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
for option in --data --val-data; do
    mq split m.onnx -o parts --verify load $option random:1 && exit 9 || test $? = 2
    mq merge m.onnx m.onnx --average -o x.onnx --verify none $option random:1 && exit 9 || test $? = 2
done
mq convert m.onnx -o x.onnx --verify none --data random:1 && exit 9 || test $? = 2
mq convert m.onnx -o x.onnx --opset 18 --fold-limit 1M && exit 9 || test $? = 2
ls
