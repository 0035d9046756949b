"""The joint statement: what the parties agreed, for those who were not at the table, with proofs that they can check.

It is made when a joint act is in force, by any party that may read it, and says the same wherever it is made. What
stands in it depends on whom it is for:

* `public`: that these parties agreed, on what kind of thing, for which project and how long, and at which entry of
  whose ledger each of them did. The proofs show that those entries stand there, not what they say.
* a party: the same for a reader of the acts, with the terms, and proofs that open the acts.
* `public` with `open_acts`: the acts themselves are opened to everybody, for good. Then anyone can check the words.

A statement is a text and a proof file (`c2sp.org/tlog-proof@v1`) for each act.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import msgspec
from msgspec import Struct, UnsetType

from relto import acts
from relto.acts import Proposal, Register
from relto.errors import NotFound, Refused
from relto.ledger import Proof, tree_of
from relto.node.held import Held
from relto.node.paper import Block, Heading, Paragraph, Points, Table

PUBLIC = "public"


class Statement(Struct, frozen=True, kw_only=True):
    """title, blocks: the text. at: ms, the last act that it rests on. proofs: file name -> bytes."""

    title: str
    blocks: tuple[Block, ...]
    at: int
    audience: str
    opened: bool
    proofs: dict[str, bytes]
    unproved: tuple[str, ...] = ()


def statement(node: Held, proposal: str, audience: str = PUBLIC, *, open_acts: bool = False) -> Statement:
    """Raises: NotFound for no such proposal; Refused while it is not in force, or for whom it is not to be read by."""
    register = node.register
    one = register.slots.get(register.act(proposal).id)
    if one is None:
        raise NotFound(f"act `{proposal[:16]}` is no proposal", hint="`relto act list --kind propose` shows them")
    if one.state != "in_force":
        raise Refused(
            f"there is nothing to state: the proposal is {'provisional' if one.provisional else one.state}",
            hint=f"missing: {', '.join(one.missing or one.waiting) or 'nobody'}",
        )
    rests = _rests_on(register, one)
    _may_read(register, rests, audience)
    opened = open_acts or audience != PUBLIC
    proofs, unproved = {}, []
    for stated in rests:
        name = f"{stated.act.author}-{acts.kind_of(stated.act)}-{stated.index}.tlog-proof"
        made = _proof(node, stated, opened=opened)
        if made is None:
            unproved.append(stated.act.author)
        else:
            proofs[name] = made
    title = f"Joint statement: {_about(register, one)}"
    return Statement(
        title=title,
        blocks=tuple(_blocks(register, one, rests, title, opened=opened)),
        at=max(stated.time for stated in rests),
        audience=audience,
        opened=opened,
        proofs=proofs,
        unproved=tuple(unproved),
    )


def _rests_on(register: Register, one: Proposal) -> list[acts.Stated]:
    votes = sorted(
        (vote for vote in one.votes if vote.vote == "consent" and not vote.void and not vote.silent),
        key=lambda vote: vote.party,
    )
    return [one.stated, *(register.stated[vote.act] for vote in votes)]


def _may_read(register: Register, rests: list[acts.Stated], audience: str) -> None:
    if audience == PUBLIC:
        return
    register.party(audience)
    for stated in rests:
        readers = getattr(stated.act, "readers", ())
        if audience not in readers:
            raise Refused(
                f"`{audience}` may not read act {stated.id[:8]} of {stated.act.author}",
                hint=f"it is for {', '.join(readers)}; `--for public` names no terms",
            )


def _proof(node: Held, stated: acts.Stated, *, opened: bool) -> bytes | None:
    """None for a ledger that is held in parts here: its own node, or a member's, has the whole of it."""
    head = node.store.head(stated.origin)
    if head is None or stated.index >= head.size:
        return None
    leaf = node.store.leaves(stated.origin, stated.index, stated.index + 1)[0]
    extra = {"leaf": leaf}
    if opened:
        _, salt, envelope = next(iter(node.store.openings(stated.origin, stated.index, stated.index + 1)))
        extra |= {"salt": salt, "envelope": envelope}
    hashes = tree_of(node.store, stated.origin).inclusion(stated.index, head.size)
    return Proof(index=stated.index, hashes=tuple(hashes), note=head.note, extra=msgspec.json.encode(extra)).encode()


# ---- words -----------------------------------------------------------------------------------------------------------


def _party(register: Register, party: str) -> str:
    state = register.parties.get(party)
    return state.name if state is not None else party


def _project(register: Register, project: str) -> str:
    charter = register.charter
    return next((one.name for one in charter.projects if one.id == project), project) if charter else project


def _about(register: Register, one: Proposal) -> str:
    act = one.stated.act
    assert isinstance(act, acts.Propose)
    match act.what:
        case acts.Engagement(party=party, project=project):
            return f"{_party(register, party)} takes part in {_project(register, project)}"
        case acts.Renewal():
            return f"renewal of {_subject(register, one.subject)}"
        case acts.Ending():
            return f"end of {_subject(register, one.subject)}"
        case acts.ProjectTerms(name=name):
            return f"the project {name}"
        case acts.Admission(party=party):
            return f"admission of {_party(register, party)}"
        case acts.Expulsion(party=party):
            return f"exclusion of {_party(register, party)}"
        case _:
            return "the founding charter" if one.n == 1 else f"the charter, version {one.n}"


def _subject(register: Register, subject: str) -> str:
    kind, _, name = subject.partition("/")
    held = register.engagements.get(name) if kind == "engagement" else None
    if held is not None:
        return f"the part of {_party(register, held.terms.party)} in {_project(register, held.terms.project)}"
    return f"the project {_project(register, name)}"


def _blocks(
    register: Register, one: Proposal, rests: list[acts.Stated], title: str, *, opened: bool
) -> Iterator[Block]:
    parties = sorted({stated.act.author for stated in rests[1:]})
    charter = register.charter
    yield Heading(title)
    yield Paragraph(
        f"{', '.join(_party(register, party) for party in parties)} have agreed on this"
        + (f" under {charter.title}" if charter else "")
        + f". Their consents are confirmed by the ledgers that the charter asks for. {_days(one)}".rstrip()
    )
    if opened:
        yield Heading("Terms", 2)
        yield Points(tuple(_terms(one)))
    yield Heading("Who agreed, and where it stands", 2)
    yield Table(
        ("party", "act", "day", "ledger", "entry", "id"),
        tuple(
            (
                _party(register, stated.act.author),
                "proposal" if stated is rests[0] else "consent",
                _day(stated.time),
                stated.origin,
                f"{stated.index:,}",
                stated.id if opened else "not opened",
            )
            for stated in rests
        ),
        (14, 9, 11, 22, 7, 37),
    )
    yield Heading("What the proofs show", 2)
    yield Points(tuple(_shows(register, opened=opened)))


def _days(one: Proposal) -> str:
    term = getattr(getattr(one.stated.act, "what", None), "term", None)
    ending = getattr(getattr(one.stated.act, "what", None), "on", "")
    if isinstance(term, acts.Term):
        return f"It holds from {term.since}" + (f" to {term.last}." if term.last else ", without a last day.")
    return f"It counts from {ending}." if ending else ""


def _terms(one: Proposal) -> Iterator[str]:
    """Every field of what was agreed, in the words of the format, without the addresses of machines."""
    plain = msgspec.to_builtins(getattr(one.stated.act, "what", None))
    for name, value in sorted(plain.items()):
        if name in {"address", "members", "origin"}:
            continue
        yield f"{name.replace('_', ' ')}: {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, dict):
        if set(value) == {"system", "level"}:
            return f"{value['system']} {value['level']}"
        return ", ".join(f"{name} {_value(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_value(part) for part in value) or "none"
    return "not stated" if isinstance(value, UnsetType) else str(value)


def _shows(register: Register, *, opened: bool) -> Iterator[str]:
    yield (
        "Each proof file is in the format c2sp.org/tlog-proof@v1: an entry stands in the ledger of that name, under a"
        " checkpoint that the ledger's own key signed. Any program that knows the format can check it."
    )
    if opened:
        yield "Each proof opens its entry: the signed act stands in it, and its id is the one in the table."
    else:
        yield "The entries are not opened: the proofs show that they stand there, and not what they say."
    yield "They do not show that the agreement still holds; later acts can suspend or end it."
    for party in register.members:
        yield f"Inception of {_party(register, party)}: {register.party(party).inception}"
    yield f"Founding: {register.partnership}"


def _day(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).date().isoformat()


def file_name(title: str) -> str:
    """The title as a name of a file: letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:80]
