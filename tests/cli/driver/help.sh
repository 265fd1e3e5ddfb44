# Usage is what was asked for: standard output, 0.
mq help
mq -h >short
mq --help >long
cmp short long
