# SIGBUS, which a mapped file that becomes shorter causes, is one clear line and exit 3.
mkfifo pipe
mq inspect - <pipe & pid=$!
exec 3>pipe
sleep 0.1
kill -BUS $pid
rc=0
wait $pid || rc=$?
exit $rc
