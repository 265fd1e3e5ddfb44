# Bounds on what running costs, and a command that judges.
cp "$TESTDATA/digits_cnn.onnx" m.onnx
mq convert m.onnx -q -o a.onnx --max-macs 50% --max-ram 1K || test $? = 1
test ! -e a.onnx
mq convert m.onnx -o a.onnx --max-macs 100% --max-ram 1M | grep -E 'max-|MACs'
# smaller is better, and it is smaller
mq convert m.onnx -q -o b.onnx --eval-cmd 'stat -c %s {}' --lower-is-better --max-drop 0
test -e b.onnx
mq convert m.onnx -q -o c.onnx --eval-cmd 'test "$MQ_REFERENCE" = m.onnx; stat -c "{\"bytes\": %s}" "$MQ_MODEL"' --metric bytes --max-drop 1% ||
    test $? = 1
test ! -e c.onnx
mq convert m.onnx -q -o c.onnx --eval-cmd false --max-drop 1% || test $? = 5
# what nothing would use
mq convert m.onnx -q -o c.onnx --max-drop 1% || test $? = 2
mq convert m.onnx -q -o c.onnx --eval-cmd true || test $? = 2
mq convert m.onnx -q -o c.onnx --eval-cmd true --max-drop 0 --dry-run || test $? = 2
ls
