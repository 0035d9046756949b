"""Each command is found by its name alone, without what the others need."""

import argparse
import importlib

import pytest

from relto.cli import main
from relto.errors import Malformed


@pytest.mark.parametrize("name", main.MODULES)
def test_a_module_adds_the_commands_that_it_is_listed_with(name):
    top = main.Parser(prog="relto")
    commands = top.add_subparsers(dest="command", parser_class=main.Parser)
    importlib.import_module(f"relto.cli.{name}").add(commands)
    assert list(commands.choices) == main.MODULES[name].split()


def offered(arguments):
    top = main.parser(arguments)
    found = [one for one in top._actions if isinstance(one, argparse._SubParsersAction)]
    return set(found[0].choices)


def test_one_command_is_offered_or_all_of_them():
    every = {word for words in main.MODULES.values() for word in words.split()}
    assert offered(None) == offered(["opn", "x"]) == every
    assert offered(["open", "seal"]) == {"seal", "open", "verify"}
    assert offered(["--json", "may"]) == {"may", "audit"}
    assert offered([]) == offered(["--version"]) == set()


def test_a_misspelt_command_names_the_nearest_of_all():
    with pytest.raises(Malformed) as refused:
        main.parser(["chartr"]).parse_args(["chartr"])
    assert refused.value.hint == "did you mean `charter`?"
