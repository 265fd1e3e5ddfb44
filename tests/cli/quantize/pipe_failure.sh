# When something is wrong nothing at all goes to standard output.
echo no model | mq quantize - -o -
