# What cannot be merged, or not so: exit 2, a line each, and nothing is written.
cp "$TESTDATA/digits_cnn.onnx" a.onnx
cp "$TESTDATA/digits_mlp.onnx" b.onnx
mq split a.onnx -q -o . --at relu2_out
bad() {
    mq merge "$@" -o w.onnx && exit 9 || test $? = 2
    test ! -e w.onnx
}
bad a.onnx
bad a.onnx b.onnx
bad a.onnx b.onnx --connect logits=input
bad a.onnx b.onnx --prefix p/,q/ --connect p/logits=q/input
bad a.onnx b.onnx --prefix p/,q/,r/
bad a.onnx b.onnx --connect logit=input
bad a.onnx b.onnx --connect logits
bad a.onnx b.onnx --average
bad a.onnx b.onnx --average --connect logits=input
bad a.1of2.onnx a.1of2.onnx --connect relu2_out=input
bad a.1of2.onnx a.2of2.onnx --connect relu2_out=relu2_out,relu2_out=relu2_out
bad a.1of2.onnx a.1of2.onnx a.2of2.onnx
