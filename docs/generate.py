"""Write the tables of the reference from the code: python docs/generate.py [--check].

A page keeps its tables between <!-- generated: NAME --> and <!-- end -->; the rest of it is written by hand.
"""

import argparse
import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PART = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "SET")


def table(head: str, rows: Iterable[Iterable[Any]]) -> str:
    """Return a Markdown table; ``head`` names its columns, parted by commas."""
    lines = [[cell.strip() for cell in head.split(",")]]
    lines.append(["---"] * len(lines[0]))
    lines += [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def first_line(thing: Any) -> str:
    """Return the first sentence of a docstring, in one line, its code as Markdown writes it."""
    told = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    return told.replace("``", "`")


def comments(source: str) -> dict[int, str]:
    """Return the comment at the end of each line of ``source``, by line number."""
    found = {number: re.search(r"(?<=\s)# (.*)$", line) for number, line in enumerate(source.splitlines(), 1)}
    return {number: match[1] for number, match in found.items() if match}


def policy() -> str:
    """Tell the keywords of @idempotent from the dataclass and its comments."""
    from django_dist.idempotency.policy import Policy

    source = inspect.getsource(Policy)
    told = comments(source)
    fields = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.AnnAssign)]
    rows = [
        (f"`{ast.unparse(node.target)}`", f"`{ast.unparse(node.value)}`", told[node.lineno])
        for node in fields
        if node.value is not None
    ]
    return table("keyword, default, meaning", rows)


def choices() -> str:
    """Tell the words that a keyword may have."""
    from django_dist.idempotency.policy import CHOICES, HOOKS

    rows = []
    for name, words in sorted(CHOICES.items()):
        function = "or a function" if name in HOOKS else ""
        rows.append((f"`{name}`", ", ".join(f'`"{word}"`' for word in sorted(words)), function))
    return table("keyword, words, beside them", rows)


def formats() -> str:
    """Tell the forms of a key."""
    from django_dist.idempotency.keys import FORMATS

    return table("`key_format`, a key is", ((f'`"{name}"`', form) for name, (_, form) in FORMATS.items()))


def settings() -> str:
    """Tell the settings, their default backend and its options."""
    from django.utils.module_loading import import_string

    from django_dist.conf import DEFAULTS
    from django_dist.registry import accepted_options
    from django_dist.sessions.options import Options

    rows = []
    for name, aliases in DEFAULTS.items():
        for alias, entry in aliases.items():
            backend = entry.get("BACKEND")
            accepted = accepted_options(import_string(backend) if backend else Options)
            options = ", ".join(f"`{option}`" for option in accepted)
            rows.append((f'`{name}["{alias}"]`', f"`{backend}`" if backend else "", options))
    return table("setting, default `BACKEND`, its `OPTIONS`", rows)


def problems() -> str:
    """Tell what a client is refused with."""
    from django_dist.exceptions import IdempotencyError

    errors = [error for error in _errors() if issubclass(error, IdempotencyError) and hasattr(error, "status")]
    rows = [
        (f"`{e.type}`", e.status, e.title, first_line(e), "yes" if e.retryable else "no", f"`{e.__name__}`")
        for e in sorted(errors, key=lambda error: error.status)
    ]
    return table("type, status, title, when, same request again may succeed, exception", rows)


def exceptions() -> str:
    """Tell the tree of errors."""
    rows = [
        (f"`{e.__name__}`", ", ".join(f"`{base.__name__}`" for base in e.__bases__), e.retryable, first_line(e))
        for e in _errors()
    ]
    return table("exception, is also, `retryable`, when", rows)


def _errors() -> list[Any]:
    module = import_module("django_dist.exceptions")
    return [found for found in vars(module).values() if inspect.isclass(found) and found.__module__ == module.__name__]


def signals() -> str:
    """Tell the signals from the comments above them."""
    source = inspect.getsource(import_module("django_dist.signals"))
    found = re.findall(r"^#: (.*)\n(\w+): Final = Signal\(\)", source, re.MULTILINE)
    return table("signal, sent when", ((f"`{name}`", told) for told, name in found))


def commands() -> str:
    """Tell each command and its own options from its parser."""
    import django_dist.management.commands as package

    names = sorted(path.stem for path in Path(package.__path__[0]).glob("dist_*.py"))
    return "\n".join(_command(name) for name in names)


def _command(name: str) -> str:
    from django.core.management import BaseCommand, load_command_class

    command = load_command_class("django_dist", name)
    usual = {action.dest for action in BaseCommand().create_parser("manage.py", "usual")._actions}
    actions = [action for action in command.create_parser("manage.py", name)._actions if action.dest not in usual]
    rows = []
    for action in actions:
        metavar = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
        metavar = " ".join(metavar) if isinstance(metavar, tuple) else metavar
        metavar = " ".join(metavar) if isinstance(metavar, tuple) else metavar
        option = f"{', '.join(action.option_strings)} {metavar}".strip()
        told = (action.help or "") % {**vars(action), "prog": name}
        rows.append((f"`{option}`", told))
    options = table("option, meaning", rows) if rows else "No options of its own.\n"
    return f"## {name}\n\n{command.help}\n\n{options}"


def checks() -> str:
    """Tell the system checks from the table at the top of their package, and their mends from its hints."""
    from django_dist import checks as module

    mends: dict[str, str] = {}
    for path in sorted(Path(module.__file__ or "").parent.glob("*.py")):
        mends |= _mends(path.read_text())
    found = re.findall(r"^([EWI]\d{3}) (.+)$", inspect.getdoc(module) or "", re.MULTILINE)
    levels = {"E": "error", "W": "warning", "I": "info"}
    return table("id, level, what, mend", ((f"`django_dist.{i}`", levels[i[0]], told, mends[i]) for i, told in found))


def _mends(source: str) -> dict[str, str]:
    """Return the hint of each check; what is filled in at run time is shown as three dots."""
    nodes = list(ast.walk(ast.parse(source)))
    named = {ast.unparse(node.targets[0]): node.value for node in nodes if isinstance(node, ast.Assign)}
    mends = {}
    for call in nodes:
        words = {word.arg: word.value for word in call.keywords} if isinstance(call, ast.Call) else {}
        if isinstance(words.get("id"), ast.Constant):
            hint = named.get(ast.unparse(words["hint"]), words["hint"])
            mends[words["id"].value.rpartition(".")[2]] = _spelled(hint)
    return mends


def _spelled(hint: ast.expr) -> str:
    parts = hint.values if isinstance(hint, ast.JoinedStr) else [hint]
    return "".join(part.value if isinstance(part, ast.Constant) else _filled(part) for part in parts).replace(
        "....", "..."
    )


def _filled(part: ast.expr) -> str:
    from django_dist import checks as module

    name = ast.unparse(part.value) if isinstance(part, ast.FormattedValue) else ""
    known = (vars(each).get(name) for each in vars(module).values() if inspect.ismodule(each))
    return next(filter(None, known), "...") if name.isupper() else "..."


def diagnosis() -> str:
    """Tell what dist_doctor looks at, on each store."""
    names = {
        "common": "every database",
        "completion": "every database",
        "postgresql": "PostgreSQL",
        "mysql": "MariaDB and MySQL",
        "sqlite": "SQLite",
        "redis": "Redis and Valkey",
    }
    rows = [
        (store, check.__name__.replace("_", " "), first_line(check))
        for name, store in names.items()
        for check in import_module(f"django_dist.diagnosis.{name}").CHECKS
    ]
    return table("store, looks at, is well when", rows)


def sql(name: str) -> str:
    """Tell the statements of one database."""
    module = import_module(f"django_dist.idempotency.sql.{name}")
    found = [(key, value) for key, value in vars(module).items() if key.isupper() and isinstance(value, str)]
    found = [(key, value.strip().replace("%%", "%")) for key, value in found if value.strip().startswith(VERBS)]
    return "".join(f"`{key}`:\n\n```text\n{value}\n```\n\n" for key, value in found).rstrip("\n") + "\n"


PARTS: dict[str, Callable[[], str]] = {
    "policy": policy,
    "choices": choices,
    "formats": formats,
    "settings": settings,
    "problems": problems,
    "exceptions": exceptions,
    "signals": signals,
    "commands": commands,
    "checks": checks,
    "diagnosis": diagnosis,
    **{f"sql-{name}": lambda name=name: sql(name) for name in ("sqlite", "postgresql", "mysql")},  # type: ignore[misc]
}


def rendered(text: str) -> str:
    """Return a page with its tables made anew."""
    return PART.sub(lambda match: f"{match[1]}{PARTS[match[2]]()}{match[3]}", text)


def pages() -> list[Path]:
    """Return the pages that hold tables from the code."""
    return [page for page in sorted(HERE.rglob("*.md")) if PART.search(page.read_text())]


def main() -> int:
    """Write the pages, or say which would change; return the exit status."""
    parser = argparse.ArgumentParser(description="Write the tables of the reference from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page would change")
    options = parser.parse_args()
    import django
    from django.conf import settings as configured

    configured.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_dist"])
    django.setup()
    stale = [page for page in pages() if rendered(page.read_text()) != page.read_text()]
    for page in stale:
        print(page.relative_to(HERE))
        if not options.check:
            page.write_text(rendered(page.read_text()))
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
