# A signal ends the process by that signal, so that whoever started it can see it.
mkfifo pipe
for signal in INT TERM HUP; do
    env --default-signal=INT mq inspect - <pipe & pid=$!
    exec 3>pipe
    sleep 0.1
    kill -$signal $pid
    exec 3>&-
    rc=0
    wait $pid || rc=$?
    echo $signal $((rc - 128))
done 2>/dev/null
