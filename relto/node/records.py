"""The records that a law asks for: 22 CFR 120.15(e) and 122.5, one row for every release of the own ledger.

What an act may say stands in the ledger and is read from there: item, organisation, authority, method, day, decision.
What no act may hold (names, addresses, the filing number of a shipment) stands beside it in private rows, appended to
and never changed. A field that the law asks for and nobody has noted is shown as missing, with the word that supplies
it; a row is never left out for it.

Kept for five years and longer: no program of this package deletes a release or a note.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct, UnsetType
from msgspec.structs import asdict

from relto import acts
from relto.acts import Register, ReleaseState
from relto.charter.text import Date
from relto.errors import Conflict, Malformed, NotFound
from relto.node.node import Node
from relto.node.paper import Block, Heading, Paragraph, Table
from relto.release import Owed, date_of, owed_of
from relto.release.audit import question_of

ITAR: Final = "USA"
KEPT_YEARS: Final = 5  # 22 CFR 122.5(a); 120.15(e)
NOTE_MAX: Final = 2_000  # characters of one note
RELEASE, ORGANISATION, ITEM = "release", "organisation", "item"
# field -> what it is, by what it is noted of.
OF_RELEASE: Final[Mapping[str, str]] = {
    "responsible": "the natural person responsible for this release",
    "end-use": "the end-use as stated, in words",
    "itn": "the internal transaction number of the filing (EEI)",
    "description": "what was told, shown or handed over",
    "remark": "anything else",
}
OF_ORGANISATION: Final[Mapping[str, str]] = {
    "name": "the full name",
    "address": "the address",
    "contact": "whom to ask, and how",
    "responsible": "the natural person responsible for releases of an own organisation, unless a release names another",
}
OF_ITEM: Final[Mapping[str, str]] = {"description": "the item in words, where its title is not enough"}
FIELDS: Final = {RELEASE: OF_RELEASE, ORGANISATION: OF_ORGANISATION, ITEM: OF_ITEM}


# ---- notes ----------------------------------------------------------------------------------------------------------


def checked(kind: str, notes: Mapping[str, str]) -> dict[str, str]:
    """Notes of known fields, one line each. Raises: Malformed."""
    found: dict[str, str] = {}
    for field, value in notes.items():
        if field not in FIELDS[kind]:
            raise Malformed(f"`{field[:40]}` is not noted of {kind}s", hint=f"one of {', '.join(FIELDS[kind])}")
        line = " ".join(value.split())
        if not line or len(value) > NOTE_MAX:
            raise Malformed(f"a note has 1 to {NOTE_MAX} characters", where=field)
        found[field] = line
    return found


def statements(subject: str, notes: Mapping[str, str], now: int) -> list[tuple[str, tuple[object, ...]]]:
    sql = "INSERT INTO record_notes (subject, field, at, value) VALUES ($1, $2, $3, $4)"
    return [(sql, (subject, field, now, value)) for field, value in notes.items()]


def note(node: Node, subject: str, notes: Mapping[str, str]) -> str:
    """Notes of a release (its id or the beginning of it), an organisation or an own item; returns the whole name.

    Raises: NotFound, Malformed; Conflict for two notes of one field in one millisecond.
    """
    with node.lock:
        kind, name = _subject(node, subject)
        now = node.clock()
        for sql, row in statements(name, checked(kind, notes), now):
            if node.store.query("SELECT 1 FROM record_notes WHERE subject = $1 AND field = $2 AND at = $3", row[:3]):
                raise Conflict(f"`{row[1]}` of `{name}` was noted this very moment", hint="note it again")
            node.store.execute(sql, row)
        return name


def _subject(node: Node, subject: str) -> tuple[str, str]:
    register = node.register
    if "/" not in subject:
        found = [one for one in register.releases if len(subject) >= 8 and one.startswith(subject)]
        if len(found) == 1 and register.releases[found[0]].party == node.me:
            return RELEASE, found[0]
        raise NotFound(f"`{subject[:70]}` is no release of `{node.me}`", hint="`relto audit --records itar` lists them")
    if subject in register.items and register.items[subject][-1].party == node.me:
        return ITEM, subject
    known = {one.terms.to.organisation for one in register.releases.values()}
    known |= {item.facts.organisation for versions in register.items.values() for item in versions}
    known |= {one.terms.about for one in register.attestations}
    if subject in known:
        return ORGANISATION, subject
    raise NotFound(
        f"`{subject[:130]}` is no organisation that this register names",
        hint="an organisation that received, owns an item, or is attested; or an own item",
    )


def _notes(node: Node) -> dict[tuple[str, str], str]:
    rows = node.store.query("SELECT subject, field, value FROM record_notes ORDER BY at")
    return {(str(subject), str(field)): str(value) for subject, field, value in rows}


# ---- records --------------------------------------------------------------------------------------------------------


class Record(Struct, frozen=True, kw_only=True):
    """One release. `itar`: whether the release rests on an authority of US law, and so must be recorded under it.

    missing: fields that the law asks for and nobody has noted, each as the word that notes it.
    """

    release: str
    ledger: str
    entry: int
    transaction_date: Date
    time_utc: str
    itar: bool
    authority: str
    authority_citation: str
    exporter: str
    responsible_natural_person: str
    item: str
    description: str
    control_entries: str
    classification: str
    quantity: str
    value: str
    end_user: str
    end_user_name: str
    end_user_address: str
    end_user_contact: str
    recipient_pseudonym: str
    country_of_ultimate_destination: str
    stated_end_use: str
    method_of_transmission: str
    eei_itn: str
    certification: str
    mark: str
    statement: str
    obligations: str
    licence_uses: str
    decision: str
    receipts: str
    remark: str
    kept_until: Date
    missing: tuple[str, ...]


HEADER: Final = Record.__struct_fields__
_TANGIBLE: Final = {"physical", "carried"}
_WAYS: Final = {
    "key": "electronic: key to a sealed file",
    "oral": "oral",
    "visual": "visual inspection",
    "physical": "handed over",
    "carried": "sealed file with a key for a device",
}


def records(node: Node) -> tuple[Record, ...]:
    """Every release in the own ledger, in its order."""
    notes = _notes(node)
    own = sorted((one for one in node.register.releases.values() if one.party == node.me), key=lambda one: one.index)
    return tuple(_record(node.register, one, notes) for one in own)


def _record(register: Register, one: ReleaseState, notes: Mapping[tuple[str, str], str]) -> Record:
    terms = one.terms
    item = register.item(terms.item, terms.version)
    exporter = item.facts.organisation
    refs = [ref for ref in terms.authorities if ref.jurisdiction == ITAR]
    owed = owed_of(register, question_of(terms), terms.authorities, terms.obligations, release=one.act)
    mine = [each for each in owed if each.jurisdiction == ITAR]
    missing: list[str] = []

    def noted(subject: str, field: str, *others: str) -> str:
        found = next((value for name in (subject, *others) if (value := notes.get((name, field)))), "")
        if not found:
            missing.append(f"relto release note {subject[:16] if '/' not in subject else subject} {field}=…")
        return found

    day = date_of(terms.day)
    return Record(
        release=one.act,
        ledger=one.origin,
        entry=one.index,
        transaction_date=day,
        time_utc=dt.datetime.fromtimestamp(terms.day / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        itar=bool(refs),
        authority="; ".join(ref.authority for ref in refs),
        authority_citation="; ".join(ref.cite for ref in refs) or "the law of the United States does not reach it",
        exporter=exporter,
        responsible_natural_person=noted(one.act, "responsible", exporter),
        item=f"{terms.item}@{terms.version}",
        description=notes.get((one.act, "description")) or notes.get((terms.item, "description")) or item.facts.title,
        control_entries="; ".join(item.facts.entries.get(ITAR, ())),
        classification=", ".join(str(level) for level in item.label.levels),
        quantity="1",
        value=_value(terms, item),
        end_user=terms.to.organisation,
        end_user_name=noted(terms.to.organisation, "name"),
        end_user_address=noted(terms.to.organisation, "address"),
        end_user_contact=noted(terms.to.organisation, "contact"),
        recipient_pseudonym=f"{terms.to.party}/{terms.person}",
        country_of_ultimate_destination=terms.place,
        stated_end_use=notes.get((one.act, "end-use")) or terms.purpose,
        method_of_transmission=_WAYS[terms.method],
        eei_itn=(
            noted(one.act, "itn")
            if terms.method in _TANGIBLE and item.facts.nature == "hardware"
            else "none: no hardware"
        ),
        certification=_text(mine, "us-certify"),
        mark="; ".join(each.mark for each in mine if each.mark),
        statement=_text(mine, "us-dcs"),
        obligations="; ".join(f"{each.id} [{each.cite}]" for each in owed),
        licence_uses="; ".join(f"{use.licence[:16]}: {use.quantity}" for use in terms.uses),
        decision=terms.decision,
        receipts="; ".join(f"{party} {outcome}" for party, _, outcome in one.receipts) or "none yet",
        remark=notes.get((one.act, "remark"), ""),
        kept_until=_years_later(day, KEPT_YEARS),
        missing=tuple(dict.fromkeys(missing)),
    )


def _value(terms: acts.Release, item: acts.ItemState) -> str:
    value = terms.value if not isinstance(terms.value, UnsetType) else item.facts.value
    return "not stated" if isinstance(value, UnsetType) else f"{value.amount} {value.currency}"


def _text(owed: Iterable[Owed], name: str) -> str:
    return next((each.text for each in owed if each.id == name), "")


def _years_later(day: Date, years: int) -> Date:
    later = dt.date.fromisoformat(day)
    try:
        return later.replace(year=later.year + years).isoformat()
    except ValueError:  # 29 February
        return later.replace(year=later.year + years, month=3, day=1).isoformat()


# ---- as files -------------------------------------------------------------------------------------------------------


def as_csv(rows: Sequence[Record]) -> bytes:
    """RFC 4180, one header line. A cell that a spreadsheet would run as a formula begins with an apostrophe."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in rows:
        writer.writerow([_cell(value) for value in asdict(row).values()])
    return out.getvalue().encode()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "; ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def as_blocks(rows: Sequence[Record], party: str, now: int) -> list[Block]:
    """One page section a release, every field by name."""
    counted = sum(row.itar for row in rows)
    blocks: list[Block] = [
        Heading(f"Records of releases by {party}"),
        Paragraph(
            f"22 CFR 120.15(e) and 122.5. {len(rows)} releases stand in the ledger, {counted} of them under an authority of"
            f" the United States. Written {date_of(now)}; each is kept for {KEPT_YEARS} years from its day and is complete"
            " where it does not say that something is missing."
        ),
    ]
    for row in rows:
        blocks.append(Heading(f"{row.transaction_date} {row.item} to {row.end_user}", 2))
        lines = tuple((name.replace("_", " "), _cell(value) or "-") for name, value in asdict(row).items())
        blocks.append(Table(("field", "value"), lines, (1, 3)))
    return blocks


# ---- the draft of a disclosure --------------------------------------------------------------------------------------


def under_us_law(node: Node, release: str) -> bool:
    """Whether it is an own release that rests on an authority of US law."""
    one = node.register.releases[release]
    return one.party == node.me and any(ref.jurisdiction == ITAR for ref in one.terms.authorities)


def notice(node: Node, release: str, why: str, now: int | None = None) -> str:
    """Draft of the notice of 22 CFR 127.12(c) for a release that today's knowledge would refuse. A draft: a person
    judges whether it was a violation, completes it and signs.
    """
    register, notes = node.register, _notes(node)
    one = register.releases[release]
    row = _record(register, one, notes)
    now = node.clock() if now is None else now
    due = (dt.date.fromisoformat(date_of(now)) + dt.timedelta(days=60)).isoformat()
    gap = "[to be completed]"
    return "\n".join(
        [
            "DRAFT, not sent. Voluntary disclosure under 22 CFR 127.12",
            f"To the Directorate of Defense Trade Controls. Initial notification of {date_of(now)} (127.12(c)(1)).",
            f"Full disclosure is due within 60 calendar days of its sending, so by {due} if it is sent today.",
            "",
            "1. Nature and extent of the suspected violation (127.12(c)(2)(i))",
            f"   On {row.transaction_date} ({row.time_utc}) {row.exporter} released {row.item}, {row.description!r}, to {row.end_user}.",
            f"   What is known today would refuse it: {why}.",
            "2. Circumstances (127.12(c)(2)(ii))",
            f"   Authority relied upon then: {row.authority_citation}. Decision {row.decision}.",
            f"   Method: {row.method_of_transmission}. Stated end-use: {row.stated_end_use}."
            f" Country: {row.country_of_ultimate_destination}. Receipts: {row.receipts}.",
            f"   How it came about: {gap}",
            "3. Persons involved (127.12(c)(2)(iii))",
            f"   Responsible: {row.responsible_natural_person or gap}",
            f"   End-user: {row.end_user_name or row.end_user}, {row.end_user_address or gap}, {row.end_user_contact or gap}."
            f" Recipient: {row.recipient_pseudonym}; the name is known to the recipient's party.",
            "4. Licence or exemption, articles and quantity (127.12(c)(2)(iv)-(v))",
            f"   {row.authority or 'none'}; USML {row.control_entries or 'none stated'}; classification {row.classification};"
            f" quantity {row.quantity}; value {row.value}; licence uses {row.licence_uses or 'none'}.",
            "5. Corrective action (127.12(c)(2)(vi))",
            f"   {gap} (`relto act recall release={release[:16]} …` opens an order to return or destroy)",
            "6. Who discloses (127.12(c)(2)(vii))",
            f"   {gap}",
            "7. Documents (127.12(d))",
            f"   Release act {row.release}, entry {row.entry} of {row.ledger}; `relto ledger proof {release[:16]}` proves it.",
            "8. Certification by an empowered official or senior officer (127.12(e))",
            f"   {gap}",
        ]
    )
