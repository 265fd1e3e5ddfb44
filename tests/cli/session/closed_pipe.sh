# A reader that has gone ends the process by SIGPIPE, quietly: help, the text of a command, a report.
exec 3> >(true)
wait $!
mq help >&3 || test $? = 141
mq check "$TESTDATA/digits_mlp.onnx" >&3 || test $? = 141
mq check "$TESTDATA/digits_mlp.onnx" --json >&3 || test $? = 141
