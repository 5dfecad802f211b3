"""What README and docs tell to type into a shell exists: commands and their options, make targets, extras."""

import configparser
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import CommandError, get_commands, load_command_class

from docs.reading import ROOT, TUTORIALS, name_of, pages, shell_lines

PAGES = [page for page in pages() if page not in TUTORIALS]  # these are run
EXTRA = re.compile(r"django-dist\[([\w,-]+)\]")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_manage_commands_have_these_options(page: Path) -> None:
    for line in [*shell_lines(page), *re.findall(r"manage\.py [^`\n]+", page.read_text())]:
        if "manage.py " not in line:
            continue
        name, *arguments = shlex.split(line.split("manage.py ", 1)[1], comments=True)
        assert name in get_commands(), f"{line}: no such command"
        parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
        parser.called_from_command_line = parser.allow_abbrev = False
        for action in parser._actions:
            action.choices = None if "--database" in action.option_strings else action.choices  # the page's own alias
        try:
            parser.parse_args([argument for argument in arguments if argument != "..."])
        except CommandError as error:
            pytest.fail(f"{line}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    typed = [line.split()[1] for line in shell_lines(page) if line.startswith("make ")]
    named = set(typed) | set(re.findall(r"`make ([a-z]+)", page.read_text()))
    assert named <= targets


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_extras_exist(page: Path) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    named = {extra for extras in EXTRA.findall(page.read_text()) for extra in extras.split(",")}
    assert named <= set(setup["options.extras_require"])
