# Topics print a page.
for t in types targets data preprocess exit; do mq help $t | head -1; done
mq help nothing
