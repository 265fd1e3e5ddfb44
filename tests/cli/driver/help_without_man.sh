# Without a man page mq help COMMAND prints the table.
mkdir empty
PATH=$PWD/empty "$MQ" help check >a
mq check -h >b
cmp a b
