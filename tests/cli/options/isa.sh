# A name that is none is refused, from the option and from the environment; the option wins; the report says what was chosen.
mq inspect --isa avx3 "$TESTDATA/digits_mlp.onnx" || test $? = 2
MQ_ISA=avx3 mq inspect "$TESTDATA/digits_mlp.onnx" || test $? = 2
MQ_ISA=avx3 mq inspect --isa native "$TESTDATA/digits_mlp.onnx" --json >a.json
MQ_ISA=native mq inspect "$TESTDATA/digits_mlp.onnx" --json >b.json
MQ_ISA= mq inspect "$TESTDATA/digits_mlp.onnx" --json >c.json
grep -c '"isa": "native"' a.json b.json c.json
