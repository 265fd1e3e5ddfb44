# The version in every way to ask for it.
mq -V
mq --version
mq inspect -V
mq-quantize --version
