"""Read the pages: which there are, and the blocks of code in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Each is run as a whole, in a project of its own, by test_tutorial.py.
TUTORIALS = (DOCS / "tutorial.md", DOCS / "tutorial-versions.md")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page where the text begins."""

    language: str
    text: str
    line: int


def pages() -> list[Path]:
    """Return README, CHANGELOG and every page of the documentation."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def name_of(page: Path) -> str:
    """Return the name of ``page`` in the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return the blocks of ``page`` in ``languages``."""
    text = page.read_text()
    found = [Block(match[1], match[2], text.count("\n", 0, match.start()) + 2) for match in FENCE.finditer(text)]
    return [block for block in found if block.language in languages]


def shell_lines(page: Path) -> list[str]:
    """Return what ``page`` tells to type into a shell: the lines with a prompt, or all of a block in ``sh``."""
    lines = [line for block in blocks(page, "sh") for line in _whole_lines(block.text)]
    typed = [line for block in blocks(page, "console") for line in _whole_lines(block.text)]
    return lines + [line[2:] for line in typed if line.startswith("$ ")]


def _whole_lines(text: str) -> list[str]:
    return re.sub(r"\\\n\s*", "", text).splitlines()
