# Output that cannot be written is exit 5.
mq help >/dev/full
