# Commands of later versions.
for c in prune; do
    mq $c model.onnx && exit 9 || test $? = 2
done
