# Control characters of a file name do not reach the terminal.
mq inspect "$(printf "a\033[31mb.onnx")"
