"""Arguments in, exit status out. Commands live beside this file; each returns its status.

Errors go to standard error as `relto: error: …` and `relto: hint: …`; with `--json` as `{"error": …}` on standard
output. Never a traceback.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from relto import __version__
from relto.errors import EXIT_ERROR, Malformed, ReltoError

HELP = """\
usage: relto COMMAND …

Decide
  may WHO ITEM            may this recipient have this item? (exit 0 permit, 1 deny, 3 undetermined)
  who ITEM | what WHO     everyone who may have it | everything one may have
  impact ACT|FILE…        what these acts would change, before anybody signs
  impact --withdraw PARTY --on DATE
Govern
  act KIND FIELD=VALUE…   draft an act; --key FILE or --sign signs and submits it, --out FILE asks for signatures
  act propose charter DIR | act propose engage FIELD=VALUE…
  act consent|refuse ID   vote; final
  act sign|submit|list|show · act adopt PACK · act rotate|recover --next FILE…
  key new|show            keys of people, made where they are kept
  charter check|show|test|diff|schema · law show|check|test · party|project|engagement|item list|show
  withdrawal list|show|recall               a party that leaves: what ended, what is asked back, the certificate
  outlook                 what lapses or falls due next, whose answer is awaited, what is at risk at each window
  statement PROPOSAL      a joint act for publication, with proofs that anyone can check
  engagement pipeline [PARTY] [--by DATE]   how far each candidate has come; what must happen by when
  item import|export CSV  register up to 100,000 items from a spreadsheet; write them with the same columns
  label parse|print|check|combine|convert|xml|json|read
Hand over
  seal FILE --item I -o F.tdf · open F.tdf -o FILE · verify ANYTHING
  release record WHO ITEM --method oral|visual|physical · release present|note|list   what is told, shown, handed over
  grant ask F.tdf -o REQ | issue REQ -o KEY | list | tell   keys by hand, for a device that no network reaches
  release refusals · release refusal ID   what key access refused, why, and what would change it today
Run
  node init|invite|join|serve|doctor|backup|restore|recover · bundle export|import
  person add|list · login · sync · audit [--records itar] · ledger verify|show|proof|policy|export
  demo                    the whole story on this machine

Every command takes --node DIR (else RELTO_NODE, else this directory) and --json; `relto COMMAND -h` says more.
Try:  relto demo --dir demo && relto may aus/southern-hydro gbr/array-processing --node demo/gbr
"""


# Beside this file; each has `add(commands)`, which adds these. In this order the reference shows them. Only the module
# of the command that was given is loaded: all of them take more memory than opening a package of any size.
MODULES = {
    "decide": "may audit",
    "reverse": "who what impact",
    "govern": "act",
    "nouns": "party project engagement",
    "keys": "key",
    "charters": "charter",
    "laws": "law",
    "engagements": "outlook statement",
    "withdrawals": "withdrawal",
    "files": "seal open verify",
    "releases": "release",
    "grants": "grant",
    "keyaccess": "client",
    "packages": "package recall",
    "ledgers": "ledger",
    "nodes": "node person login sync demo",
    "carry": "bundle",
    "labels": "label",
    "items": "item",
    "authzen": "authzen",
}


class Parser(argparse.ArgumentParser):
    """Errors in our words, and no abbreviations that a later option could change the meaning of."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """What is not among the choices is named as a person would, with the nearest that is."""
        if action.choices is None or value in action.choices:
            return
        names = sorted(map(str, action.choices))
        near = difflib.get_close_matches(str(value), names, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"one of {', '.join(names)}"
        if isinstance(action, argparse._SubParsersAction):
            raise Malformed(f"there is no `{self.prog} {str(value)[:40]}`", hint=hint)
        name = action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest)
        raise Malformed(f"`{str(value)[:40]}` is no value of {name}", hint=hint)

    def error(self, message: str) -> NoReturn:
        raise Malformed(message, hint=f"`{self.prog} -h` shows how it is written")


def parser(arguments: Sequence[str] | None = None) -> Parser:
    """For the command among the arguments; for all of them without arguments, or when it is none that there is."""
    given = None if arguments is None else next((word for word in arguments if not word.startswith("-")), "")
    names = [name for name, adds in MODULES.items() if given in adds.split()]
    top = Parser(prog="relto", add_help=False)
    top.add_argument("-h", "--help", action="store_true")
    top.add_argument("--version", action="store_true")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name in names or (() if given == "" else MODULES):
        importlib.import_module(f"relto.cli.{name}").add(commands)
    return top


def common(command: argparse.ArgumentParser, *, node: bool = True) -> argparse.ArgumentParser:
    """Options that every command has."""
    if node:
        command.add_argument(
            "--node", metavar="DIR", default=os.environ.get("RELTO_NODE", "."), help="the node's directory"
        )
    command.add_argument("--json", action="store_true", help="values instead of words")
    return command


def start() -> int:
    """The command as a process of its own: what `relto` on the command line calls."""
    from relto.store.holders import forbid_dumps

    forbid_dumps()
    return run()


def run(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    try:
        options = parser(arguments).parse_args(arguments)
        if options.version:
            print(__version__)
            return 0
        if options.help or not options.command:
            print(HELP, end="")
            return 0 if options.help else EXIT_ERROR
        status: int = options.call(options)
    except ReltoError as error:
        _report(error, as_json=as_json)
        return error.exit_status
    except BrokenPipeError:
        # The reader of our output went away; that is its right and no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("relto: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        _report(
            Malformed(f"{(error.strerror or str(error)).lower()}", where=str(error.filename or "")), as_json=as_json
        )
        return EXIT_ERROR
    else:
        sys.stdout.flush()
        return status


def _report(error: ReltoError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": error.as_dict()}, ensure_ascii=False))
    print(f"relto: error: {error}", file=sys.stderr)
    if error.hint:
        print(f"relto: hint: {error.hint}", file=sys.stderr)


def emit(view: Any, *, as_json: bool, lines: Sequence[str] = ()) -> None:
    """A view as JSON, or the same in lines."""
    if as_json:
        print(json.dumps(view, ensure_ascii=False, sort_keys=False))
    else:
        for line in lines:
            print(line)


def node_dir(options: argparse.Namespace) -> Path:
    return Path(options.node)
