# The same for a file without a suffix.
touch resnet
mq resnet
