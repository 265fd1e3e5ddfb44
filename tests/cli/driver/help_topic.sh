# Topics print a page; those of later versions say so.
for t in types targets exit; do mq help $t | head -1; done
mq help data
