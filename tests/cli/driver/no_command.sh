# Without a command: usage on standard error.
mq
