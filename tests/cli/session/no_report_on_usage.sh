# No report is written for a bad command line.
mq inspect m --report r.json --bogus || test $? = 2
test ! -e r.json
