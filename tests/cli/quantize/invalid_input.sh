# An invalid graph is refused, with the place and the command that tells more.
cd "$TESTDATA"
mq quantize bad/cycle.onnx -o /dev/null
