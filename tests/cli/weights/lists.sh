# The lists need no model, and are what the help topics show.
mq quantize --list-types >types
mq quantize --list-targets >targets
mq help types | tail -n "$(wc -l <types)" | cmp - types
mq help targets | tail -n "$(wc -l <targets)" | cmp - targets
awk 'NR > 1 && NF > 5 && /^u?int/ { print $1, $2, $3 }' types
grep -oE '^  [a-z0-9-]+' targets
awk 'length > 115' types targets
