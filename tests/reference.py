"""The decision, slow and obvious: what `relto.release.decide` must agree with on every register and every question.

Written from the contracts of the design (sections 2, 5, 7, 11, 13, 14), not from the code that is held against it.
Values are 0 no, 1 not known, 2 yes: where all must hold the least counts, where one is enough the greatest. What acts
say, and what a law is told, stands in `reference_acts.py`, what engine 2 adds in `reference_limits.py`. Left to tests of
their own: disputed keys, projects begun by act.
"""

from msgspec import UNSET
from reference_acts import Acts
from reference_limits import Limits

from relto.label import Level, must_hold
from relto.law import evaluate

WORDS = ("no", "unknown", "yes")
NO, UNKNOWN, YES = range(3)


def reference(register, question):
    """The answer, and every conjunct with its value in words."""
    values = Reading(register, question).conjuncts()
    answer = ("deny", "undetermined", "permit")[min(values.values())]
    return answer, {rule: WORDS[value] for rule, value in values.items()}


class Reading(Limits, Acts):
    def conjuncts(self):
        laws = {one.id: self.law(one) for one in sorted(self.c.jurisdictions, key=lambda one: one.id)}
        used = {one.adopter for one in self.c.jurisdictions if laws[one.id][0] != NO}
        employed, purposes = self.said.get("employment"), [p.id for p in self.c.purposes if p.fits(self.facts.project)]
        return {
            "standing.person": UNKNOWN if employed is None else NO if employed == "none" else YES,
            "standing.organisation": YES if self.attested("organisation", "recipient") else NO,
            "standing.party": YES if self.to.party in self.r.parties and (not self.exit() or self.right()) else NO,
            "scope": self.scope(),
            "purpose": YES if self.q.purpose in purposes else NO,
            "label.level": self.level(),
            "label.release": self.released(),
            "label.tags": self.tags(),
            "denied": NO if any(self.stops(self.depends(used))) else YES,
            "fresh": UNKNOWN if any(map(self.old, self.depends(used) - {self.r.me})) else YES,
            **{f"law.{name}": value for name, (_, value) in laws.items()},
            "owner": self.owners(),
            **self.limits(),
        }

    def law(self, one):
        """Whether it reaches, and whether it is met. Only a text that its state adopted, and that is held, says so."""
        adopted = self.r.pack_on(one.id, self.day)
        if adopted is None or adopted.pack is None:
            return UNKNOWN, UNKNOWN
        judged = evaluate(adopted.pack, self.day, lambda name: self.told(name, one, adopted.pack))
        return WORDS.index(judged.reached.value), WORDS.index(judged.value.value)

    def owns(self):
        """A co-owner that is no member owns where a part stands in its own ledger."""
        part = any(one.party == self.to.party for one in (self.parts or {}).values())
        return self.to.party == self.owner or (self.to.party in self.facts.owners and (self.member or part))

    def scope(self):
        """Owner, member that takes part, or engagement; and the closed pillar is closed to all others."""
        project = next((one for one in self.c.projects if one.id == self.facts.project), None)
        pillar = self.c.pillar(project.pillar) if project else None
        if pillar and pillar.access == "closed" and self.to.party not in pillar.members:
            return NO
        if self.owns():
            return YES
        if not project or not project.access.holds(self.day):
            return NO
        if self.to.party in project.participants and (self.to.party in self.receiving() or self.right()):
            return YES
        if self.member:
            return NO
        return max(map(self.covered, self.engagements()), default=NO)

    def engagements(self):
        return self.r.engagement_of(self.to.party, self.facts.project)

    def covered(self, one):
        """Whether an engagement covers project, areas, ceiling and day. Equal to the end is over."""
        runs = one.term.holds(self.day) and not (one.ended and one.ended <= self.day)
        inside = self.facts.areas and set(self.facts.areas) <= set(one.terms.areas)
        if not runs or not inside or one.terms.role != "participant":
            return NO
        under = self.c.equivalence.at_most
        return min(max(WORDS.index(under(level, top)) for top in one.terms.ceiling) for level in self.levels)

    def level(self):
        """Each level that its system classifies is covered by the clearance."""
        table, held = self.c.equivalence, self.said.get("clearance")
        wanting = [level for level in self.levels if table.needs_clearance(level)]
        if not wanting or held is None:
            return UNKNOWN if wanting else YES
        if held.until is not UNSET and held.until <= self.day:
            return NO
        return min(WORDS.index(table.covers(Level(system=held.system, level=held.level), one)) for one in wanting)

    def released(self):
        """The party and every nationality stand in the label. Unmarked is the owners only, the empty set nobody."""
        sets = [
            {self.code(one) for one in owners} if label.rel is UNSET else set(label.rel)
            for label, owners in self.labels
        ]
        allowed = set.intersection(*sets) - {None}
        code = {self.code(self.to.party)} - {None} if self.to.party in self.r.parties else set()
        nations = set(self.said.get("nationalities", ()))
        return NO if (code | nations) - allowed or not allowed else YES if code and nations else UNKNOWN

    def tags(self):
        """Of nobody is it stated that he holds a compartment."""
        compartments = [tag for label, _ in self.labels for tag in label.tags if must_hold(tag)]
        return YES if not compartments else UNKNOWN if self.owns() else NO

    def depends(self, used):
        """The ledgers an answer depends on: owners, recipient, the laws used; for an outsider all that may suspend."""
        suspending = () if self.member or self.c.suspension.by == "owner" else self.c.members
        return {self.owner, *self.facts.owners, self.to.party, *used, *suspending}

    def stops(self, depends):
        """Suspension of all that would carry it, recall of the item or a part, freeze, openings owed, retirement."""
        best = max(map(self.covered, self.engagements()), default=NO)
        carry = [one for one in self.engagements() if self.covered(one) == best != NO]
        yield not self.member and not self.owns() and bool(carry) and all(one.suspended for one in carry)
        held = [self.r.releases[one.release].terms for one in self.r.recalls.values() if one.holder == self.to.party]
        yield any((one.item, one.version) in {(self.q.item, self.q.version), *(self.parts or {})} for one in held)
        near = {self.owner, *self.facts.owners, self.to.party}
        known = {party: self.r.parties[party] for party in depends & set(self.r.parties)}
        yield any(one.frozen and (party in near or one.frozen_at is None) for party, one in known.items())
        yield f"project/{self.facts.project}" in self.r.halted or any(f"party/{one}" in self.r.halted for one in near)
        yield any(party in self.r.owed for party in depends - {self.r.me})
        yield bool(self.item.retired)
        yield self.gone(self.owner)

    def old(self, party):
        """Whether its ledger was seen longer ago than the charter allows for it and for this label."""
        state, limit = self.r.parties.get(party), self.c.freshness_limit(self.levels, party)[0]
        return state is None or state.seen is None or self.q.day - state.seen > limit

    def owners(self):
        """Who owns a part is a co-owner of the whole, unless its own act gave up control of the part."""
        if self.owner not in self.facts.owners or self.parts is None:
            return UNKNOWN if self.owner in self.facts.owners else NO
        if any(self.keepers(part) - set(self.facts.owners) for part in self.parts.values()):
            return NO
        return self.approved() if self.c.releases.approval else YES
