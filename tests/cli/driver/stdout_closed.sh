# Closed standard output, too.
mq help >&-
