"""Writes the parts of the documents that the code says better: `make docs`. `test_docs.py` holds them to it.

docs/reference/commands.md      from the parser of the command line
docs/reference/roles.md         from the table of who may say what
README.md                       the help text, between two fences
spec/charter.schema.json        from the reader of charters, for editors
"""

import argparse
import json
import re
from pathlib import Path

from relto import acts
from relto.acts.roles import ROLES, STATES, why_not
from relto.charter.schema import schema
from relto.cli.main import HELP, parser
from relto.node import officer

ROOT = Path(__file__).parent.parent
COMMANDS = ROOT / "docs" / "reference" / "commands.md"
ROLES_PAGE = ROOT / "docs" / "reference" / "roles.md"
README = ROOT / "README.md"
SCHEMA = ROOT / "spec" / "charter.schema.json"
COMMON = {"help", "node", "json"}  # arguments that the head of the page has said

HEAD = """\
# Commands

Written by `make docs` from the command line's own parser; do not edit.

Every command that decides ends with 0 for permit, 1 for deny, 3 for undetermined; every command ends with 2 for an
error, which is named on standard error ([errors](errors.md)) and has written nothing. Options that all commands have:

| option | |
|---|---|
| `--node DIR` | the node's directory; else `$RELTO_NODE`, else here; not for `act sign`, `label` and `demo` |
| `--json` | values instead of words; also for errors |
| `-h` | how the command is written |

"""


def word(action):
    """An argument as it is written: `ITEM`, `[PACK]`, `ACT|FILE …`, `--at T`."""
    shown = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    if action.option_strings:
        return action.option_strings[-1] + ("" if action.nargs == 0 else f" {shown}")
    return {"?": f"[{shown}]", "*": f"[{shown} …]", "+": f"{shown} …"}.get(action.nargs, shown)


def verbs(command):
    """The subcommands of a parser: (name, parser, help)."""
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {one.dest: one.help or "" for one in action._choices_actions}
            yield from ((name, one, told.get(name, "")) for name, one in action.choices.items())


def leaves(command, names=()):
    """Every command that can be typed: (names, parser, help)."""
    for name, one, told in verbs(command):
        below = list(leaves(one, (*names, name)))
        yield from below or [((*names, name), one, told)]


def section(names, command, told):
    """One command: how it is written, then what is to be said of its arguments."""
    own = [one for one in command._actions if one.dest not in COMMON]
    must = [one for one in own if one.required or not one.option_strings]
    written = ["relto", *names, *map(word, must), *(["[OPTIONS]"] if len(must) < len(own) else [])]
    shown = [one for one in own if one.help or one not in must]
    return [f"`{' '.join(written)}`" + (f": {told}" if told else ""), "", *table("argument", shown)]


def table(title, actions):
    rows = []
    for one in actions:
        said = [one.help] if one.help else []
        if one.option_strings and not one.required and one.default not in (None, "", False, []):
            said.append(f"default `{one.default}`")
        rows.append(f"| `{word(one).replace('|', chr(92) + '|')}` | {'; '.join(said)} |")
    return [f"| {title} | |", "|---|---|", *rows, ""] if rows else []


def kinds(command):
    """The kinds of act in one table: their options are the same, their fields are not."""
    lines = ["`relto act KIND [ID|FIELD=VALUE …] [OPTIONS]`: drafts an act of one of the kinds below", ""]
    *_, (_, one, _) = ((names, sub, told) for names, sub, told in leaves(command) if names[0] in acts.KINDS)
    lines += table("option", [option for option in one._actions if option.option_strings and option.dest not in COMMON])
    lines += ["| kind | signed by | fields |", "|---|---|---|"]
    for kind in sorted(acts.KINDS):
        by = acts.SIGNERS[kind]
        who = by if isinstance(by, str) else " or ".join(sorted(by))
        fields = ", ".join(f"`{name}`" for name in officer.own_fields(acts.KINDS[kind]))
        lines.append(f"| `{kind}` | {who} | {fields} |")
    return [*lines, ""]


def commands_page():
    lines = []
    for noun, command, told in verbs(parser()):
        lines += [f"## {noun}", ""]
        if noun == "act":
            lines += kinds(command)
        below = [found for found in leaves(command, (noun,)) if noun != "act" or found[0][1] not in acts.KINDS]
        lines += [line for found in below or [((noun,), command, told)] for line in section(*found)]
    return HEAD + "\n".join(lines)


ROLES_HEAD = """\
# Who may say what

Written by `make docs` from `relto/acts/roles.py`; do not edit. The tests try every cell on the fold.

*Counts* means that the act does what its kind does; whether a decision then gives anything for it is decided each day
anew. So an engagement that is suspended or ended, a notice of withdrawal and a frozen ledger change no cell: acts
count as said and give nothing. `relto act kinds` shows the row of one's own party.

| role | who |
|---|---|
| member | votes, by the charter in force; before the founding, whoever the proposal names |
| engaged | an outsider whose engagement was agreed, whatever its state today |
| introduced | an outsider that a member introduced |
| known | any other ledger that is mirrored here |

"""


def roles_page():
    """Two tables: before the founding, and after it."""
    lines = [ROLES_HEAD]
    for title, state, states in (
        ("Before the founding", "founding", ("founding",)),
        ("Under a charter in force", "founded", tuple(one for one in STATES if one != "founding")),
    ):
        lines += [f"## {title}", "", f"| act | signed by | {' | '.join(ROLES)} |", f"|---|---|{'---|' * len(ROLES)}"]
        reasons = []
        for kind in sorted(acts.KINDS):
            cells = []
            for role in ROLES:
                why = why_not(kind, role, state)
                reasons += [why] if why and why not in reasons else []
                cells.append(f"no ({reasons.index(why) + 1})" if why else "counts")
            same = all(why_not(kind, role, one) == why_not(kind, role, state) for role in ROLES for one in states)
            assert same, f"the states differ for {kind}: this page needs another table"
            signer = acts.SIGNERS[kind]
            word = signer if isinstance(signer, str) else " or ".join(sorted(signer))
            lines.append(f"| `{kind}` | {word} | {' | '.join(cells)} |")
        lines += ["", *(f"{n}. {why}" for n, why in enumerate(reasons, 1)), ""]
    return "\n".join(lines).rstrip() + "\n"


def readme_page(text):
    """The README with the help text as the program prints it."""
    found = re.subn(r"(```text relto --help\n).*?(```\n)", lambda one: one[1] + HELP + one[2], text, flags=re.DOTALL)
    assert found[1] == 1, "the README has one block fenced as `text relto --help`"
    return found[0]


def pages():
    return {
        COMMANDS: commands_page(),
        ROLES_PAGE: roles_page(),
        README: readme_page(README.read_text()),
        SCHEMA: json.dumps(schema(), indent=1, sort_keys=True) + "\n",
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
