# Nothing is replaced without -f.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq split m.onnx -q -o parts
sum=$(cat parts/* | sha256sum)
mq split m.onnx -q -o parts || test $? = 2
mq split m.onnx -q -f -o parts
test "$sum" = "$(cat parts/* | sha256sum)"
# parts of another split stay, which is said
mq split m.onnx -f -o parts --parts 3 2>&1 | grep parts-left
ls parts
