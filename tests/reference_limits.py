"""What a charter of engine 2 adds to a decision, slow and obvious: limits, days of parties, projects within, background.

Written from spec/charter.md ("Limits", "Grades") and spec/decision.md ("Rules"), not from `relto.release.limits`.
"""

from msgspec import UNSET

NO, UNKNOWN, YES = range(3)


class Limits:
    def limits(self):
        """Each conjunct that the text adds, by name; of engine 1 none."""
        c = self.c
        if c.engine == 1:
            return {}
        known = {one.id: one for one in c.limits}
        found = {f"limit.{name}": self.limit(known[name]) if name in known else UNKNOWN for name in c.releases.limits}
        if any(one.until or one.formerly or self.day < one.since for one in c.parties):
            found["party_days"] = YES if self.right() else self.on_its_days()
        if any(one.within for one in c.projects):
            found["within"] = self.running(self.facts.project)
        if c.background is not None:
            found["background"] = self.listed()
        return found

    def receiving(self):
        """The parties of a grade that receives what belongs to its projects; where none is declared, the members."""
        if self.c.grades is None:
            return self.c.members
        grades = [one.id for one in self.c.grades if one.receives == "own_projects"]
        return [one.id for one in self.c.parties if one.grade in grades]

    def approved(self):
        """The last word of the owner's officers about this very request."""
        about, last = f"charter {self.c.releases.clause}", UNKNOWN
        for one in self.r.determinations:
            said = one.terms
            same = (said.item, said.version, said.on) == (self.item.id, self.item.version, self.item.label_act)
            same = same and (said.authority, said.condition, said.request) == (about, "approved", self.q.request)
            if same and one.party == self.owner and not one.revoked and said.request is not UNSET:
                last = YES if said.holds else NO
        return last

    # ---- limits

    def limit(self, one):
        return min(self.test(test, one) for test in one.needs) if self.about(one) else YES

    def about(self, one):
        party = next((each for each in self.c.parties if each.id == self.to.party), None)
        project = next((each for each in self.c.projects if each.id == self.facts.project), None)
        # Who has left is under what bound it, and under what binds others.
        left = self.c.engine > 2 and ((party is not None and bool(party.left_by)) or self.exit() is not None)
        grade = "" if party is None else party.grade if left else party.grade_on(self.day)
        agrees = [
            not self.owns(),
            left or one.to == "all" or (one.to == "members") == (self.to.party in self.c.members),
            not one.parties or self.to.party in one.parties,
            not one.grades or grade in one.grades,
            not one.pillars or (project is not None and project.pillar in one.pillars),
            not one.projects or self.facts.project in one.projects,
            not one.purposes or self.q.purpose in one.purposes,
            not one.owners or bool({*one.owners} & {*self.facts.owners}),
            one.made == "all" or (one.made == "background") == (self.facts.background is True),
        ]
        return all(agrees)

    def test(self, one, of):
        if one.any:
            return max(self.test(inner, of) for inner in one.any)
        if one.never:
            return NO
        if one.asked_in:
            inside = self.q.place in one.asked_in
            return NO if not inside else UNKNOWN if self.q.place_says == "person" else YES
        if one.determined:
            return self.judged(one, of)
        return YES if self.holds(one) else NO

    def holds(self, one):
        codes = {self.code(self.owner), self.code(self.to.party)}
        if one.attested:
            return self.attested(one.attested, "recipient")
        if one.agreed:
            return self.half(self.owner, self.to.party, one.agreed) and self.half(self.to.party, self.owner, one.agreed)
        if one.instrument:
            return any(
                held.kind == one.instrument and {*held.between} == codes and held.holds_on(self.day)
                for held in self.c.instruments
            )
        if one.attribute:
            return any(party.id == self.to.party and one.attribute in party.attributes for party in self.c.parties)
        if one.until:
            return self.day <= one.until
        assert one.after_project
        project = next((each for each in self.c.projects if each.id == self.facts.project), None)
        if project is None or project.term.last is None:
            return True
        return self.day <= plus(project.term.last, one.after_project)

    def half(self, party, other, claim):
        return any(
            (one.party, one.terms.about, one.terms.claim, one.terms.other) == (party, f"{party}/{party}", claim, other)
            and one.terms.term.holds(self.day)
            and not one.revoked
            and not self.gone(party)
            for one in self.r.attestations
        )

    def judged(self, one, of):
        """By the owner's officer, or the one whose law it is; under that law, where one is named."""
        by = next(law.adopter for law in self.c.jurisdictions if law.id == one.by) if one.by else self.owner
        words = self.last_words(self.item, f"charter {of.clause}", one.determined, one.by or None)
        return UNKNOWN if by not in words else YES if words[by] else NO

    # ---- days and lists

    def on_its_days(self):
        party = next((one for one in self.c.parties if one.id == self.to.party), None)
        if party is None:
            return YES
        return YES if party.since <= self.day and (party.until is None or self.day <= party.until) else NO

    def running(self, name):
        """Every project around it is there and gives access on the day."""
        known = {one.id: one for one in self.c.projects}
        while name in known and known[name].within:
            name = known[name].within
            if name not in known or not known[name].access.holds(self.day):
                return NO
        return YES

    def listed(self):
        if self.facts.background is not True or self.owns():
            return YES
        mine = [one for one in self.c.background if one.item == self.item.id]
        return YES if mine and self.q.purpose not in mine[0].except_for else NO


def plus(day, amount):
    """So much later; the last day of a shorter month stands for one that it lacks."""
    from datetime import date, timedelta

    start = date.fromisoformat(day)
    if amount.unit == "days":
        return (start + timedelta(days=amount.number)).isoformat()
    months = start.month - 1 + amount.number * {"months": 1, "years": 12}[amount.unit]
    year, month = start.year + months // 12, months % 12 + 1
    for last in range(start.day, 27, -1):
        try:
            return date(year, month, last).isoformat()
        except ValueError:
            continue
    return date(year, month, start.day).isoformat()
