# A command called by its own name.
mq-inspect
