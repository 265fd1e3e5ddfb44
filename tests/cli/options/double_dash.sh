# Behind -- everything is a file.
mq inspect -- --strict
