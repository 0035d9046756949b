"""`relto who`, `what` and `impact`: the same rules asked backwards, and what would change. They read and never write."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import msgspec

from relto import acts, charter, law
from relto.acts import Register
from relto.cli.decide import asked
from relto.cli.main import common, emit, node_dir
from relto.cli.show import audience_lines, impact_lines, missing_lines, page_lines, withdrawal_lines
from relto.errors import Malformed
from relto.node import views
from relto.node.answering import ROWS_MAX, day_of
from relto.node.asking import item_name, recipient, sighted
from relto.node.home import open_node
from relto.node.node import Node
from relto.release import (
    Audience,
    Impact,
    Page,
    audience,
    difference,
    impact,
    missing,
    rehearse_withdrawal,
    rosters,
    what_page,
    who_page,
    with_charter,
    with_law,
)


def add(commands: Any) -> None:
    reverse = common(commands.add_parser("who", help="everyone who may have an item"))
    reverse.add_argument("item", metavar="ITEM")
    asked(reverse)
    _paged(reverse)
    reverse.set_defaults(call=_who)
    forward = common(commands.add_parser("what", help="everything a recipient may have"))
    forward.add_argument("who", metavar="WHO")
    asked(forward)
    _paged(forward)
    forward.add_argument(
        "--missing", metavar="PROJECT", help="what stands between the recipient and a project, and who gives each"
    )
    forward.set_defaults(call=_what)
    change = common(commands.add_parser("impact", help="what drafted acts, a text or a withdrawal would change"))
    change.add_argument(
        "acts",
        metavar="ACT|FILE|DIR",
        nargs="*",
        help="ids of acts, files with drafts (`relto act … --dry-run --out FILE`), directories of a charter or a law",
    )
    change.add_argument("--withdraw", metavar="PARTY")
    change.add_argument("--on", metavar="DATE")
    change.add_argument("--pairs", action="store_true", help="every pair of item and class, however many there are")
    change.set_defaults(call=_impact)


def _paged(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--limit", metavar="N", type=_limit, help="at most so many rows; the answer names the next page"
    )
    command.add_argument("--cursor", metavar="C", default="", help="where the page before ended: its `next`")
    command.add_argument(
        "--against", metavar="T", help="what is gained and lost since the day or time T, with its sight"
    )


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= ROWS_MAX:
        raise argparse.ArgumentTypeError(f"`{text[:20]}` is not a count from 1 to {ROWS_MAX}")
    return int(text)


def _who(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register, day = sighted(node, options.at, options.known)
    name, version = item_name(options.item)
    held = register.item(name, version)
    if options.against:
        found = _against(node, options, register, day)
        only = {(held.id, held.version)}
        return _changed(options, register, day, found, lambda pair: (pair.item, pair.version) in only)
    page = who_page(register, name, day, options.purpose, version, options.limit, options.cursor)
    return _page(options, register, day, page, f"may have {options.item}")


def _what(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register, day = sighted(node, options.at, options.known)
    to, _, _ = recipient(node, register, options.who)
    if options.missing:
        known = {one.id for one in register.charter.projects} if register.charter else set()
        if options.missing not in known | set(register.projects):
            raise Malformed(
                f"no project `{options.missing[:64]}` is known here", hint="`relto project list` shows them"
            )
        found = missing(register, to, options.missing, day)
        emit(views.missing_view(register, day, found), as_json=options.json, lines=missing_lines(found, options.who))
        return 0
    if options.against:
        if to.id not in {one.id for one in rosters(register)}:
            raise Malformed(
                f"`{options.who[:80]}` is in no declared class, and the past knows declared classes only",
                hint="name one of the classes of `relto party show`",
            )
        changed = _against(node, options, register, day)
        return _changed(options, register, day, changed, lambda pair: pair.to.id == to.id)
    page = what_page(register, to, day, options.purpose, options.limit, options.cursor)
    return _page(options, register, day, page, f"{options.who} may have")


def _page(options: argparse.Namespace, register: Register, day: int, page: Page, title: str) -> int:
    view = views.page_view(register, day, page)
    emit(view, as_json=options.json, lines=page_lines(page, title))
    return 0


def _against(node: Node, options: argparse.Namespace, register: Register, day: int) -> Impact:
    """From the day of `--against`, with its sight, to the one that is asked about."""
    before = sighted(node, options.against, options.known)
    words = f"from {options.against} to {options.at or 'now'}"
    return difference(before, (register, day), options.purpose, (words,), pairs=True)


def _changed(options: argparse.Namespace, register: Register, day: int, found: Impact, ours: Any) -> int:
    gained, lost = ([one for one in pairs if ours(one)] for pairs in (found.gained, found.lost))
    import msgspec

    mine = msgspec.structs.replace(
        found, gained=tuple(gained), lost=tuple(lost), rectangles=(), count=len(gained) + len(lost), unchanged=0
    )
    emit(views.changed_view(register, day, mine), as_json=options.json, lines=impact_lines(mine, title=""))
    return 0


# ---- impact ---------------------------------------------------------------------------------------------------------


def _impact(options: argparse.Namespace) -> int:
    node = open_node(node_dir(options))
    register, now = node.register, int(time.time() * 1000)
    if options.withdraw:
        if not options.on or options.acts:
            raise Malformed("a withdrawal is rehearsed with `--withdraw PARTY --on DATE` and nothing else")
        found = rehearse_withdrawal(register, options.withdraw, day_of(options.on, "--on"), now)
        emit(views.withdrawal_view(register, now, found), as_json=options.json, lines=withdrawal_lines(found))
        return 0
    if not options.acts:
        raise Malformed("no act to rehearse", hint="ids of proposals, files with drafts, or a directory of a text")
    texts = [word for word in options.acts if Path(word).is_dir()]
    if texts and len(options.acts) > 1:
        raise Malformed("a text is rehearsed by itself", hint="name one directory and nothing else")
    if texts:
        after, words = _text(register, Path(texts[0]))
        result = difference((register, now), (after, now), "", (words,), pairs=options.pairs)
    else:
        drafts = [_draft(register, one) for one in options.acts]
        result = impact(_with_tables(node, drafts), drafts, now, pairs=options.pairs)
    emit(views.impact_view(register, now, result), as_json=options.json, lines=impact_lines(result))
    return 0


def _text(register: Register, where: Path) -> tuple[Register, str]:
    """The register under the charter or the law of a directory, and what that is."""
    if (where / "charter.yaml").is_file():
        agreed = charter.load(charter.read((where / "charter.yaml").read_bytes(), str(where / "charter.yaml")))
        return with_charter(register, agreed), f"the charter of {where}"
    if (where / "pack.yaml").is_file():
        pack = law.load_pack(charter.read((where / "pack.yaml").read_bytes(), str(where / "pack.yaml")))
        return with_law(register, pack), f"the law of {pack.jurisdiction} as {where} has it, adopted"
    raise Malformed(
        f"`{where}` is a directory", hint="a directory with charter.yaml or pack.yaml, or a file with a draft"
    )


def _with_tables(node: Node, drafts: list[acts.Act]) -> Register:
    """The register with the tables that drafts name and no act names yet."""
    named = {bytes.fromhex(one.table) for one in drafts if isinstance(one, acts.Catalogue)}
    held = {digest.hex(): node.objects.get(digest) for digest in named if node.objects.has(digest)}
    return msgspec.structs.replace(node.register, objects={**node.register.objects, **held}) if held else node.register


def _draft(register: Register, word: str) -> acts.Act:
    path = Path(word)
    if not path.exists():
        return register.act(word).act
    from relto.node.officer import parse_request

    data = path.read_bytes()
    if b'"signing-request"' in data[:400]:
        return acts.read(parse_request(data, where=word).payload)
    return acts.read(data.strip())


# ---- the audience sheet ---------------------------------------------------------------------------------------------


def sheet(node: Node, item: str, version: int, drafts: tuple[acts.Act, ...] = ()) -> tuple[dict[str, Any], list[str]]:
    """Who may have an item that is about to be sealed or labelled: (as values, in words).

    Raises: Refused for an empty audience.
    """
    found: Audience = audience(node.register, item, version, drafts, node.clock())
    return views.audience_view(found), audience_lines(found)
