"""What comes with a permit, in words that can go along with the thing: notices, certificates, marks, records, provisos.

A decision names its obligations by id, and the acts that it rests on. Here they are spelt out from the very texts that
the decision used: the pack by its digest, the licence by its act.

Source: contracts of the design, section 5; spec/law.md and spec/law-2.md, "Obligations".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, UnsetType

from relto import law
from relto.acts import AuthorityRef, LicenceState, Register
from relto.release.question import Decision, Question


class Owed(Struct, frozen=True, kw_only=True):
    """One thing that is owed with a release.

    when: before | with | after, empty where the law does not say. text: what goes along, its blanks filled in. mark:
    what is put on the thing. fields, years: of the record to be kept.
    """

    id: str
    jurisdiction: str
    cite: str
    says: str
    when: str = ""
    text: str = ""
    mark: str = ""
    fields: tuple[str, ...] = ()
    years: int | None = None


def owed(register: Register, question: Question, decision: Decision, release: str = "") -> tuple[Owed, ...]:
    """Everything that comes with this permit; empty for an answer that is none."""
    licences = [fact.rests_on for one in decision.findings for fact in one.facts if fact.name.startswith("licensed.")]
    return owed_of(register, question, decision.authorities, decision.obligations, licences, release)


def owed_of(
    register: Register,
    question: Question,
    authorities: Iterable[AuthorityRef],
    obligations: Iterable[str],
    licences: Iterable[str | UnsetType] = (),
    release: str = "",
) -> tuple[Owed, ...]:
    """The same for what a release act carries. licences: acts that the decision rests on, besides the authorities'."""
    wanted, found = set(obligations), []
    refs = tuple(authorities)
    for ref in refs:
        pack = _pack(register, ref.jurisdiction, ref.pack)
        if pack is None:
            continue
        blanks = _blanks(register, question, ref, release)
        for one in pack.obligations:
            if one.id in wanted:
                found.append(
                    Owed(
                        id=one.id,
                        jurisdiction=ref.jurisdiction,
                        cite=one.cite,
                        says=one.says,
                        when=one.when,
                        text=one.filled(blanks),
                        mark=one.mark,
                        fields=one.fields,
                        years=one.years,
                    )
                )
    held = dict.fromkeys([*(ref.act for ref in refs), *licences])
    found += [each for act in held if (state := register.licences.get(str(act))) for each in _provisos(state)]
    return tuple(found)


def _provisos(one: LicenceState) -> Iterator[Owed]:
    for number, words in enumerate(one.terms.provisos, 1):
        name = f"{one.terms.licence}/proviso-{number}"
        yield Owed(id=name, jurisdiction=one.terms.jurisdiction, cite=f"licence {one.terms.licence}", says=words)


def _pack(register: Register, jurisdiction: str, digest: str) -> law.Pack | None:
    return next((one.pack for one in register.packs.get(jurisdiction, ()) if one.digest == digest), None)


def _blanks(register: Register, question: Question, ref: AuthorityRef, release: str) -> dict[str, str]:
    item = register.item(question.item, question.version)
    return {
        "authority": ref.authority,
        "cite": ref.cite,
        "date": question.date,
        "destination": question.place,
        "end_user": question.to.organisation,
        "item": f"{question.item}@{question.version}",
        "purpose": question.purpose,
        "release": release,
        "title": item.facts.title,
    }
