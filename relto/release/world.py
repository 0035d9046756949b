"""The register read by name. Rules see what stands around a question only through here, and each reading is remembered.

A reading is `(part, words…)`, for example `("engagements", "jpn", "sonar")`; its value is whatever the register holds
there. A decision that was remembered holds for another register as long as every reading behind it has the same value:
that is how one act touches only the classes which it concerns, without anybody listing what an act concerns.

Items are read by `facts.Thing`, whose facts make up their classes.

Source: contracts of the design, section 12; spec/decision.md, "Classes".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from relto.acts import (
    Attestation,
    Determination,
    Dispute,
    EngagementState,
    Fork,
    LicenceState,
    Propose,
    RecallState,
    Register,
)
from relto.acts import Engagement as EngagementTerms
from relto.acts.grown import unlike, unlike_in
from relto.acts.register import AdoptedPack, Proposal

Reading = tuple[str, ...]
KEPT: Final = 8  # registers whose indexes are kept


class Recalled(NamedTuple):
    """An order, and if a suspension gave it, who suspended which engagement."""

    recall: RecallState
    lift: tuple[str, str] | None


class World:
    """One register with indexes, made on first use. Equal registers answer every reading alike."""

    def __init__(self, register: Register, before: World | None = None) -> None:
        self.register = register
        self.held: dict[Reading, Any] = {}  # every reading so far
        self._indexes: dict[str, Mapping[Any, tuple[Any, ...]]] = {}
        if before is not None:
            self._follow(before)

    def read(self, reading: Reading) -> Any:
        if reading not in self.held:
            part, *words = reading
            self.held[reading] = _PARTS[part](self, *words)
        return self.held[reading]

    def _index(self, name: str, rows: Callable[[], Any]) -> Mapping[Any, tuple[Any, ...]]:
        if name not in self._indexes:
            found: dict[Any, list[Any]] = defaultdict(list)
            for key, one in rows():
                found[key].append(one)
            self._indexes[name] = {key: tuple(every) for key, every in found.items()}
        return self._indexes[name]

    def _follow(self, before: World) -> None:
        """Takes over the indexes of a register that is known: as they are where nothing has changed, else mended."""
        was, now = before.register, self.register
        for name, index in list(before._indexes.items()):
            if all(getattr(was, source) is getattr(now, source) for source in _SOURCES[name]):
                self._indexes[name] = index
        held = before._indexes.get("determinations")
        if held is not None and "determinations" not in self._indexes:
            judged = unlike_in(was.determinations, now.determinations, lambda one: one.act)
            self._indexes["determinations"] = _mended(
                held, judged, lambda one: ((one.terms.item, one.terms.version),), now.determinations
            )
        held = before._indexes.get("licences")
        if held is not None and "licences" not in self._indexes:
            granted = [(one, other) for _, one, other in unlike(was.licences, now.licences)]
            self._indexes["licences"] = _mended(held, granted, lambda one: one.terms.items, now.licences.values())
            if all(not one.draws for pair in granted for one in pair if one is not None):
                self._indexes |= {name: index for name, index in before._indexes.items() if name == "draws"}

    # ---- of items

    def determinations(self, item: str, version: int) -> tuple[Determination, ...]:
        """In the order of the register: each party's last word stands last."""
        rows = self._index(
            "determinations", lambda: (((d.terms.item, d.terms.version), d) for d in self.register.determinations)
        )
        return rows.get((item, version), ())

    def licences(self, item: str) -> tuple[LicenceState, ...]:
        rows = self._index(
            "licences", lambda: ((name, one) for one in self.register.licences.values() for name in one.terms.items)
        )
        return rows.get(item, ())

    def draws(self, item: str, version: int) -> tuple[tuple[str, str], ...]:
        """(licence, organisation) for which this version has been drawn already."""
        rows = self._index(
            "draws",
            lambda: (
                ((item, version), (one.act, organisation))
                for one in self.register.licences.values()
                for item, version, organisation in sorted(one.draws)
            ),
        )
        return rows.get((item, version), ())

    def recalls(self, item: str, version: int) -> tuple[RecallState, ...]:
        """Orders over this very version, in the order of their ids."""

        def rows() -> Any:
            for _, one in sorted(self.register.recalls.items()):
                terms = self.register.releases[one.release].terms
                yield (terms.item, terms.version), one

        return self._index("recalls", rows).get((item, version), ())

    def lists(self, item: str) -> bool:
        """Whether the charter's list of background has this name."""
        listed = self.register.charter.background if self.register.charter is not None else None
        return any(one.item == item for one in listed or ())

    # ---- of keys

    @property
    def disputes(self) -> tuple[tuple[str, str, int], ...]:
        """(author, key or frozen ledger, from which entry)."""
        return self.read(("disputes",))  # type: ignore[no-any-return]

    def disputed(self, act: str) -> bool:
        """Whether an act is signed by a key that somebody disputes from there or from before, or stands where its ledger is
        frozen."""
        stated = self.register.stated.get(act) if self.disputes else None
        if stated is None:
            return False
        names = {one.partition("+")[0] for one in stated.signed.key_ids} | set(stated.signed.key_ids) | {stated.origin}
        return any(
            party == stated.act.author and key in names and index <= stated.index for party, key, index in self.disputes
        )

    # ---- what rules read

    def _disputes(self) -> tuple[tuple[str, str, int], ...]:
        found = []
        for denial in self.register.denials:
            stated = self.register.stated.get(denial.act) if denial.kind == "dispute" else None
            if stated is not None and isinstance(stated.act, Dispute):
                found.append((stated.act.party, stated.act.key, stated.act.index))
        for party, state in self.register.parties.items():
            freeze = self.register.freezes.get(state.origin)
            if freeze is not None and freeze.size is not None:
                found.append((party, freeze.origin, freeze.size))
        return tuple(sorted(found))

    def _party(self, name: str) -> tuple[str, str] | None:
        """What rules of standing read: inception and the day of leaving; None while no ledger of it is held."""
        state = self.register.parties.get(name)
        return None if state is None else (state.inception, state.withdraws)

    def _seen(self, name: str) -> tuple[int | None] | None:
        state = self.register.parties.get(name)
        return None if state is None else (state.seen,)

    def _frozen(self, name: str) -> str:
        state = self.register.parties.get(name)
        return "" if state is None else state.frozen

    def _shared(self, name: str) -> bool:
        """Whether of a frozen ledger it is known how far both its histories agree."""
        state = self.register.parties.get(name)
        return state is not None and state.frozen_at is not None

    def _halted(self, name: str) -> str:
        return self.register.halted.get(name, "")

    def _owed(self, name: str) -> int:
        return len(self.register.owed.get(name, ())) + self.register.owed_before.get(name, 0)

    def _work(self, project: str) -> tuple[Proposal, ...]:
        """The acts in force that began, changed or ended a project, by number."""
        rows = self._index(
            "work",
            lambda: ((one.subject, one) for one in self.register.slots.values() if one.state == "in_force"),
        )
        return tuple(sorted(rows.get(f"project/{project}", ()), key=lambda one: one.n))

    def _engagements(self, party: str, project: str) -> tuple[EngagementState, ...]:
        rows = self._index(
            "engagements",
            lambda: (((one.terms.party, one.terms.project), one) for one in self.register.engagements.values()),
        )
        return rows.get((party, project), ())

    def _proposals(self, party: str, project: str) -> tuple[Proposal, ...]:
        """Open proposals to engage a party in a project, in the order of their ids."""

        def rows() -> Any:
            for _, one in sorted(self.register.slots.items()):
                act = one.stated.act
                if one.state == "open" and isinstance(act, Propose) and isinstance(act.what, EngagementTerms):
                    yield (act.what.party, act.what.project), one

        return self._index("proposals", rows).get((party, project), ())

    def _for_good(self, act: str) -> bool:
        """Whether a suspension rests on a disputed key or a fork: nobody lifts that."""
        stated = self.register.stated.get(act)
        return stated is not None and isinstance(stated.act, Dispute | Fork)

    def _lifts(self) -> Mapping[str, tuple[str, str]]:
        """Suspension -> (author, engagement)."""
        return {act: (who, one.id) for one in self.register.engagements.values() for who, act in one.suspended}

    def _attestations(self, about: str, claim: str) -> tuple[Attestation, ...]:
        """About an organisation, or of the party itself where it is asked about as such; by that party, not revoked."""
        rows = self._index(
            "attestations",
            lambda: (
                ((one.terms.about, one.terms.claim), (n, one))
                for n, one in enumerate(self.register.attestations)
                if not one.revoked
            ),
        )
        party, _, name = about.partition("/")
        whole = (party,) if name == party else ()
        found = [row for key in (about, *whole) for row in rows.get((key, claim), ())]
        found.sort(key=lambda row: row[0])
        return tuple(one for _, one in found if one.party == party)

    def _adopted(self, jurisdiction: str) -> tuple[AdoptedPack, ...]:
        return self.register.packs.get(jurisdiction, ())


_PARTS: Final[Mapping[str, Callable[..., Any]]] = {
    "disputes": World._disputes,
    "party": World._party,
    "seen": World._seen,
    "frozen": World._frozen,
    "shared": World._shared,
    "halted": World._halted,
    "owed": World._owed,
    "work": World._work,
    "engagements": World._engagements,
    "proposals": World._proposals,
    "for good": World._for_good,
    "lifts": World._lifts,
    "attestations": World._attestations,
    "adopted": World._adopted,
}

_SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "determinations": ("determinations",),
    "licences": ("licences",),
    "draws": ("licences",),
    "recalls": ("recalls", "releases"),
    "work": ("slots",),
    "engagements": ("engagements",),
    "proposals": ("slots",),
    "attestations": ("attestations",),
}


def _mended(
    index: Mapping[Any, tuple[Any, ...]],
    pairs: Iterable[tuple[Any, Any]],
    keys: Callable[[Any], Iterable[Any]],
    every: Iterable[Any],
) -> Mapping[Any, tuple[Any, ...]]:
    """An index in which some values are others by now; each stands in the order in which the register has it."""
    found = dict(index)
    unsure: set[Any] = set()  # keys under which something came between others
    for was, now in pairs:
        for key in {*(keys(was) if was is not None else ()), *(keys(now) if now is not None else ())}:
            rows = found.get(key, ())
            mine = was is not None and key in keys(was)
            others = now is not None and key in keys(now)
            if mine and others:
                found[key] = tuple(now if one is was or one == was else one for one in rows)
            elif mine:
                found[key] = tuple(one for one in rows if one is not was and one != was)
            elif rows:
                unsure.add(key)
            else:
                found[key] = (now,)
    if unsure:
        found |= dict.fromkeys(unsure, ())
        for one in every:
            for key in unsure.intersection(keys(one)):
                found[key] = (*found[key], one)
    return found


_kept: dict[int, World] = {}


def world_of(register: Register, before: World | None = None) -> World:
    """The world of a register. The last few are kept, so that one question after another finds its indexes.

    before: of an earlier register, whose indexes are taken over.
    """
    known = _kept.pop(id(register), None)
    if known is None or known.register is not register:
        known = World(register, before)
    _kept[id(register)] = known
    while len(_kept) > KEPT:
        _kept.pop(next(iter(_kept)), None)
    return known
