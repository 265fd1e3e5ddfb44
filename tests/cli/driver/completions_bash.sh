# Completion in bash: commands, options, words, files.
mq __completions bash >mq.bash
. ./mq.bash
touch some.onnx
complete_words() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    _mq
    echo "${COMPREPLY[*]}"
}
complete_words mq qu
complete_words mq quantize --ver
complete_words mq quantize m.onnx --verify ""
complete_words mq-check --ta
complete_words mq inspect so
