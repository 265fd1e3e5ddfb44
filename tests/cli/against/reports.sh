# A missed bound is in every form of the report, and in the annotation.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq quantize m.onnx -q -o q.onnx
mq check q.onnx --against m.onnx --min-sqnr 200 --report r.json --report r.md --report r.xml --annotate github -q >/dev/null 2>err || echo $?
grep -c '"verdict": "fail"' r.json
grep -c '"sqnr_db"' r.json
grep -o '^| min-sqnr `logits` | &#62;= 200 dB' r.md
grep -o 'testcase classname="mq.check" name="min-sqnr: logits"' r.xml
grep -o "^::error title=mq check::q.onnx: output 'logits': SQNR" err
