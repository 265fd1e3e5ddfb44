# Lists that are none, name files elsewhere or themselves, lack a part, or do not fit together: exit 3, a line each.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq split m.onnx -q -o . --parts 2
bad() {
    printf '%s' "$1" >bad.parts.json
    mq inspect bad.parts.json && exit 9 || test $? = 3
}
edges='"inputs":["input"],"outputs":["logits"]'
bad '{'
bad '{}'
bad '{"format":"mq-parts","version":2}'
bad '{"format":"mq-parts","version":1}'
bad '{"format":"mq-parts","version":1,"parts":[{"file":"m.onnx"}]}'
bad '{"format":"mq-parts","version":1,'"$edges"',"parts":[{"file":"/etc/passwd"}]}'
bad '{"format":"mq-parts","version":1,'"$edges"',"parts":[{"file":".."}]}'
bad '{"format":"mq-parts","version":1,'"$edges"',"parts":[{"file":"bad.parts.json"}]}'
bad '{"format":"mq-parts","version":1,'"$edges"',"parts":[{"file":"none.onnx"}]}'
bad '{"format":"mq-parts","version":1,"inputs":["nothing"],"outputs":["logits"],"parts":[{"file":"m.onnx"}]}'
bad '{"format":"mq-parts","version":1,"inputs":["input"],"outputs":["nothing"],"parts":[{"file":"m.onnx"}]}'
mkfifo pipe.onnx
bad '{"format":"mq-parts","version":1,'"$edges"',"parts":[{"file":"pipe.onnx"}]}'
ln -s "$TESTDATA/digits_cnn.onnx" link.onnx
bad '{"format":"mq-parts","version":1,'"$edges"',"parts":[{"file":"link.onnx"}]}'
mq inspect - <m.parts.json && exit 9 || test $? = 3
