# Standard input is read once.
echo conv | mq inspect - --nodes @-
