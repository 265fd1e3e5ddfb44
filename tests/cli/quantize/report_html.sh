# The page is well-formed, loads nothing, names every tensor, and a hostile name in it stays text.
python3 - "$TESTDATA/digits_cnn.onnx" <<'P'
import sys
model = open(sys.argv[1], "rb").read()
evil = b"<script>\"'&<img>"
assert model.count(b"depthwise.weight") == 2 and len(evil) == 16
open("evil.onnx", "wb").write(model.replace(b"depthwise.weight", evil))
P
mq quantize evil.onnx -q -o out.onnx --max-size 200% --report page.html --report html:other.txt,page.json
python3 - <<'P'
import html.parser, json

class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.text, self.bars = [], [], 0

    def handle_starttag(self, tag, attrs):
        assert tag in KNOWN, tag
        for key, value in attrs:
            assert key in ATTRIBUTES, key
        self.bars += tag == "rect"
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag == "line"

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text.append(data)

KNOWN = set("html head meta style title body h1 h2 h3 p b i code div span table tr th td ul li details summary figure "
            "figcaption svg rect".split())
ATTRIBUTES = set("lang charset name content http-equiv class style open role aria-label viewbox preserveaspectratio x y "
                 "width height".split())
report = json.load(open("page.json"))
for name in ("page.html", "other.txt"):
    source = open(name, encoding="utf-8").read()
    assert source.startswith("<!DOCTYPE html>") and "://" not in source
    page = Page()
    page.feed(source)
    page.close()
    assert not page.open, page.open
    assert page.bars == len(report["changed"]) > 2
    for entry in report["changed"] + report.get("kept", []):
        assert entry["name"] in page.text, entry["name"]
    for fact in list(report["before"]["operators"]) + list(report["after"]["operators"]) + ["200%", "max-size"]:
        assert any(fact in text for text in page.text), fact
    for step in report["measured"]["steps"]:
        assert step["name"] in page.text
assert any("<script>" in entry["name"] for entry in report["changed"])
P
