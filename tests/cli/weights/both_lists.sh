# Both lists at once are both printed.
mq quantize --list-types >both
echo >>both
mq quantize --list-targets >>both
mq quantize --list-targets --list-types | cmp - both
