"""An editor at a browser without scripts: opens a page, fills in its form, sends it."""

from html.parser import HTMLParser


class Form(HTMLParser):
    """What a browser would send from the last form of a page that has a hidden CSRF token or a field of ours."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer
        self.fields, self.tables, self.text = {}, [], []
        self._select = self._area = self._cell = None
        self._in_post = False
        self.feed(answer.content.decode())

    def handle_starttag(self, tag, pairs):
        attributes = dict(pairs)
        name = attributes.get("name")
        if tag == "form":
            self._in_post = attributes.get("method") == "post" and attributes.get("id") != "logout-form"
        elif tag == "tr":
            self.tables.append([])
        elif tag in ("td", "th"):
            self._cell = []
        elif not self._in_post:
            return
        elif tag == "textarea":
            self._area = name
            self.fields[name] = [""]
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in attributes:
            self.fields.setdefault(self._select, []).append(attributes.get("value", ""))
        elif tag == "input" and name and attributes.get("type") not in ("submit", "file"):
            ticked = attributes.get("type") == "checkbox"
            if not ticked or "checked" in attributes:
                self.fields.setdefault(name, []).append(attributes.get("value", "on" if ticked else ""))

    def handle_endtag(self, tag):
        if tag == "form":
            self._in_post = False
        elif tag == "textarea":
            self.fields[self._area] = [self.fields[self._area][0].replace("\r\n", "\n").removeprefix("\n")]
            self._area = None
        elif tag in ("td", "th") and self._cell is not None and self.tables:
            self.tables[-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data):
        self.text.append(data)
        if self._area is not None:
            self.fields[self._area][0] += data
        if self._cell is not None:
            self._cell.append(data)

    def row(self, label):
        """Return the cells beside ``label``, or None."""
        return next((cells[1:] for cells in self.tables if cells and cells[0] == label), None)

    def says(self, text):
        return text in " ".join("".join(self.text).split())


class Editor:
    """A user at a browser; ``form`` is the page that is open."""

    def __init__(self, client):
        self.client = client

    def open(self, url):
        self.url = url
        self.form = Form(self.client.get(url))
        return self

    def fill(self, **fields):
        for name, value in fields.items():
            if value is None:
                self.form.fields.pop(name, None)
            else:
                self.form.fields[name] = value if isinstance(value, list) else [value]
        return self

    def send(self, **buttons):
        answer = self.client.post(self.url, {**self.form.fields, **buttons})
        if answer.status_code == 200:
            self.form = Form(answer)
        return answer
