"""`relto label`: markings read, written, checked, combined, converted, and carried as STANAG 4774.

None of it needs a node. Groups and equivalences are an agreement's: those of `--charter`, else of the charter in force
at the node in this directory, else of the shipped one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from relto import charter, label
from relto.charter.text import is_date
from relto.cli.main import common, emit, node_dir
from relto.cli.texts import charter_text
from relto.errors import EXIT_ERROR, Malformed, NotFound, Refused, ReltoError
from relto.label import Label

INPUT_MAX = 262_144  # bytes of a label that is read from a file or standard input


def add(commands: Any) -> None:
    marks = commands.add_parser("label", help="markings").add_subparsers(dest="verb", metavar="VERB", required=True)
    read = _of_charter(marks.add_parser("parse", help="what a banner line or portion mark says"))
    read.add_argument("banner")
    read.add_argument("--page", metavar="BANNER", default="", help="the banner of its page, for a portion `(S//REL)`")
    read.set_defaults(call=_parse)
    written = _of_charter(marks.add_parser("print", help="the banner line for a label"))
    written.add_argument("label", metavar="JSON|-", help="a label as `label parse` prints it")
    written.add_argument("--portion", action="store_true", help="the US portion mark")
    written.set_defaults(call=_print)
    checked = _of_charter(marks.add_parser("check", help="a US page: banner, portions and authority block together"))
    checked.add_argument("banner")
    checked.add_argument("--portion", action="append", default=[], metavar="MARK")
    for name in ("classified-by", "derived-from", "declassify-on"):
        checked.add_argument(f"--{name}", default="", metavar="TEXT")
    checked.add_argument("--distribution", default="", metavar="A-F", help="the distribution statement")
    checked.set_defaults(call=_check)
    join = _of_charter(marks.add_parser("combine", help="the label of something made from all of these"))
    join.add_argument("banners", nargs="+", metavar="BANNER")
    _of_owners(join).set_defaults(call=_combine)
    other = _of_charter(marks.add_parser("convert", help="how another state holds what is marked so"))
    other.add_argument("banner")
    other.add_argument("--to", required=True, metavar="CODE")
    other.add_argument(
        "--round-up", action="store_true", help="hold an unknown pair as the next higher level that is known"
    )
    _of_owners(other).set_defaults(call=_convert)
    for verb, words in (("xml", "as STANAG 4774 XML"), ("json", "as the JSON of a label assertion")):
        one = _of_charter(marks.add_parser(verb, help=f"a banner {words}"))
        one.add_argument("banner")
        one.add_argument("--created", default="", metavar="TIME", help="else now")
        if verb == "xml":
            one.add_argument("--review", default="", metavar="TIME", help="when the marking is to be reviewed")
        _of_owners(one).set_defaults(call=_carry, form=verb)
    taken = _of_charter(marks.add_parser("read", help="a STANAG 4774 label, XML or JSON"))
    taken.add_argument("file", metavar="FILE|-")
    taken.add_argument(
        "--policy", action="append", default=[], metavar="POLICY=CODE", help="whose levels a foreign policy's words are"
    )
    taken.set_defaults(call=_read)


def _of_charter(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    common(command)
    command.add_argument("--system", metavar="CODE", help="whose convention it is; else the form says it")
    command.add_argument("--day", metavar="DAY", default="", help="words and groups as on that day; else today")
    command.add_argument("--charter", metavar="DIR|FILE|NAME", default="", help="whose groups and equivalences")
    return command


def _of_owners(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--owners", metavar="CODES", default="", help="owning parties' letters, for what is unmarked")
    return command


def _agreed(options: argparse.Namespace) -> charter.Charter:

    if not options.charter:
        from relto.node.home import open_node

        try:
            held = open_node(node_dir(options)).register.charter
        except NotFound:
            held = None
        if held is not None:
            return held
    source, where = charter_text(options.charter or "aukus")
    return charter.load(charter.read(source, where))


def _day(options: argparse.Namespace) -> str:
    if options.day and not is_date(options.day):
        raise Malformed(f"`{options.day[:40]}` is not a day of the calendar", hint="write it as 2026-11-22")
    return options.day or time.strftime("%Y-%m-%d", time.gmtime())


def _read_line(options: argparse.Namespace, text: str, page: Label | None = None) -> Label:
    """A banner or, in round brackets, a portion mark. The charter is loaded only where the line names a group."""

    def once(groups: tuple[label.Group, ...]) -> Label:
        if text.startswith("("):
            return label.parse_portion(text, banner=page, groups=groups, day=_day(options))
        return label.parse(text, system=options.system, groups=groups, day=_day(options))

    try:
        return once(())
    except Malformed as error:
        if not error.message.startswith("relto.group"):
            raise
    return once(_agreed(options).groups)


def _owners(options: argparse.Namespace) -> frozenset[str]:
    found = frozenset(one.strip() for one in options.owners.split(",") if one.strip())
    wrong = [one for one in sorted(found) if len(one) != 3 or not one.isascii() or not one.isupper()]
    if wrong:
        raise Malformed(f"`{wrong[0][:16]}` is not a country code", hint="three capital letters, for example GBR")
    return found


def _bytes(where: str) -> bytes:
    if where == "-":
        data = sys.stdin.buffer.read(INPUT_MAX + 1)
    else:
        path = Path(where)
        if not path.is_file():
            raise NotFound(f"there is no file `{where[:200]}`")
        with path.open("rb") as file:
            data = file.read(INPUT_MAX + 1)
    if len(data) > INPUT_MAX:
        raise Malformed(f"a label has at most {INPUT_MAX} bytes", where=where)
    return data


# ---- one label


def _parse(options: argparse.Namespace) -> int:
    page = _read_line(options, options.page) if options.page else None
    view = msgspec.to_builtins(_read_line(options, options.banner, page))
    emit(view, as_json=options.json, lines=[json.dumps(view, ensure_ascii=False)])
    return 0


def _print(options: argparse.Namespace) -> int:
    data = _bytes("-") if options.label == "-" else options.label.encode()
    try:
        held = msgspec.json.decode(data, type=Label)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("this is not a label", hint="the JSON that `relto label parse` prints") from error
    words = label.in_words(held)
    try:
        line = label.portion(held) if options.portion else label.banner(held, options.system or held.levels[0].system)
    except Refused as error:
        lines = [words, f"no banner: {error.message}"]
        emit({"banner": None, "words": words, "why": error.message}, as_json=options.json, lines=lines)
        return EXIT_ERROR
    emit({"banner": line, "words": words}, as_json=options.json, lines=[line])
    return 0


def _check(options: argparse.Namespace) -> int:
    page = label.Document(
        banner=options.banner,
        portions=tuple(options.portion),
        classified_by=options.classified_by,
        derived_from=options.derived_from,
        declassify_on=options.declassify_on,
        distribution=options.distribution,
    )
    found = label.check(page, groups=_agreed(options).groups, day=_day(options))
    view = {"banner": options.banner, "findings": [msgspec.to_builtins(one) for one in found], "count": len(found)}
    lines = [f"{one.where}: {one.rule}: {one.message}" for one in found]
    emit(view, as_json=options.json, lines=lines or ["nothing found"])
    return EXIT_ERROR if found else 0


# ---- several labels, several states


def _combine(options: argparse.Namespace) -> int:
    labels = [_read_line(options, one) for one in options.banners]
    owners = _owners(options)
    if (
        not owners
        and any(one.rel is msgspec.UNSET for one in labels)
        and any(one.rel is not msgspec.UNSET for one in labels)
    ):
        raise Malformed("an unmarked label is released to its owners only", hint="say who they are: `--owners GBR`")
    found = label.combine(labels[0], *labels[1:], owners=owners, systems=_agreed(options).equivalence.by_name)
    view: dict[str, Any] = {"label": msgspec.to_builtins(found)}
    try:
        view["banner"] = label.banner(found, options.system or found.levels[0].system)
        lines = [str(view["banner"])]
    except ReltoError as error:
        view["banner"], view["why"] = None, error.message
        lines = [label.in_words(found), f"no banner: {error.message}"]
    emit(view, as_json=options.json, lines=lines)
    return 0


def _convert(options: argparse.Namespace) -> int:
    held = _read_line(options, options.banner)
    owners = _owners(options)
    found = label.convert(
        label.marked(held, owners) if owners else held, options.to, _agreed(options).equivalence, up=options.round_up
    )
    how = {
        "own": "its own level",
        "exact": "exact",
        "rounded": "rounded up as agreed",
        "next": "nothing is agreed of it: held as the next higher level that is known",
    }
    rows = [
        {"level": str(one.level), "held": str(one.held), "how": one.how, "clause": one.clause or None}
        for one in found.levels
    ]
    lines = [found.banner] if found.banner else [f"no {found.system} banner: {found.why}"]
    lines += [
        f"{one.level} is held as {one.held}: {how[one.how]}" + (f" (clause {one.clause})" if one.clause else "")
        for one in found.levels
    ]
    view = {"system": found.system, "banner": found.banner or None, "why": found.why or None, "levels": rows}
    emit(view, as_json=options.json, lines=lines)
    return 0


# ---- STANAG 4774


def _carry(options: argparse.Namespace) -> int:
    created = options.created or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    one = label.said(
        _read_line(options, options.banner),
        owners=_owners(options),
        system=options.system or "",
        created=created,
        review=getattr(options, "review", ""),
    )
    text = label.write_xml(one) if options.form == "xml" else label.write_json(one)
    emit({options.form: text}, as_json=options.json, lines=[text])
    return 0


def _read(options: argparse.Namespace) -> int:
    data = _bytes(options.file)
    one = label.read_json(data) if data.lstrip()[:1] == b"{" else label.read_xml(data)
    policies = dict(word.split("=", 1) for word in options.policy if "=" in word)
    if len(policies) != len(options.policy):
        raise Malformed("a policy is named as `POLICY=CODE`", hint="for example `--policy UK=GBR`")
    groups = _agreed(options).groups
    found = label.label_of(one, policies=policies, groups=groups, day=_day(options))
    known = {"Handling", "Display Only"}
    left = [c.name for c in one.categories if c.kind == "INFORMATIVE" and c.name not in known]
    left += ["PrivacyMark"] if one.mark else []
    view: dict[str, Any] = {
        "label": msgspec.to_builtins(found),
        "created": one.created or None,
        "review": one.review or None,
        "left_out": left,
    }
    try:
        view["banner"] = label.banner(found, found.levels[0].system)
    except ReltoError:
        view["banner"] = None
    lines = [view["banner"] or label.in_words(found)]
    lines += [f"created {one.created}"] if one.created else []
    lines += [f"to be reviewed by {one.review}"] if one.review else []
    lines += [f"left out, for it restricts nothing: {', '.join(left)}"] if left else []
    emit(view, as_json=options.json, lines=lines)
    return 0
