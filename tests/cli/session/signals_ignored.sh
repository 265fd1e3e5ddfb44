# A signal that was ignored at the start (nohup) stays ignored.
mkfifo pipe
(trap '' HUP; exec mq check - <pipe >/dev/null) & pid=$!
exec 3>pipe
sleep 0.1
kill -HUP $pid
cat "$TESTDATA/digits_mlp.onnx" >&3
exec 3>&-
wait $pid
