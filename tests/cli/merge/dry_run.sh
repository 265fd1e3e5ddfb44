# Says what would be connected; writes nothing.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq split m.onnx -q -o . --at relu2_out
mq merge m.1of2.onnx m.2of2.onnx --dry-run
test ! -e out.onnx
