# A model that is not there: exit 3, and the report has the error.
mq inspect missing.onnx --report r.json || test $? = 3
python3 -c 'import json; r = json.load(open("r.json")); print(r["verdict"], r["error"]["exit_status"])'
