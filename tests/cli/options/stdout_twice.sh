# Standard output holds one thing.
mq inspect model.onnx --json --report md:- || test $? = 2
mq quantize model.onnx -o - --json || test $? = 2
