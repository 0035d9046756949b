"""What the reference reads in acts, and what it tells a law: facts, and in which roles they are said.

No act, so no; nothing stated of a thing or a person, so not known. A determination counts under the law that it names
and from those whom this law asks; a licence from the state whose law it is.
"""

import datetime as dt

from msgspec import UNSET

from relto.charter import Money
from relto.law import Fact, Says


def next_day(day):
    return (dt.date.fromisoformat(day) + dt.timedelta(days=1)).isoformat()


class Acts:
    def __init__(self, register, question):
        self.r, self.q, self.c, self.to, self.day = register, question, register.charter, question.to, question.date
        self.item = next(one for one in register.items[question.item] if one.version == question.version)
        self.facts, self.owner = self.item.facts, self.item.party
        self.parts = self.parts_of(self.item, {})
        # Its own label, and that of every part of which another has kept control: nobody widens what is another's.
        bound = [part for part in (self.parts or {}).values() if self.keepers(part) - {self.owner}]
        self.labels = [(one.label, one.facts.owners) for one in (self.item, *bound)]
        self.levels = {level for label, _ in self.labels for level in label.levels}
        self.member = self.to.party in self.c.members
        # What the own party or a node says of a person counts, what the person says does not; an empty list is nothing.
        stated = {name: getattr(self.to, name) for name in ("employment", "nationalities", "clearance")}
        heard = [name for name in stated if self.to.says.get(name) in ("party", "node")]
        self.said = {name: stated[name] for name in heard if stated[name] not in (UNSET, ())}

    def gone(self, party):
        """A withdrawal counts from the day on which its notice is over."""
        out = self.r.parties[party].withdraws if party in self.r.parties else ""
        return bool(out) and out <= self.day

    def exit(self):
        """How the recipient's party left, and since when: by the charter's word or its own notice. None: it has not."""
        told = [(p.left_by, next_day(p.until)) for p in self.c.parties if p.id == self.to.party and p.left_by]
        notice = self.r.parties[self.to.party].withdraws if self.to.party in self.r.parties else ""
        days = [day for _, day in told] + [notice] * bool(notice)
        if not days or min(days) > self.day:
            return None
        return (told[0][0] if told else "own_wish"), min(days)

    def rights(self):
        """What its exit leaves it to receive, as long as that lasts."""
        kind, since = self.exit() or ("", "")
        kept = [right for one in self.c.exits if one.kind == kind for right in one.keeps if right.access]
        return [right for right in kept if not right.lasts or self.day <= right.last_day(since)]

    def right(self):
        """Whether one of these covers the release: made by then, of this making, in this project, for this purpose."""
        made = "background" if self.facts.background is True else "results"
        registered = dt.datetime.fromtimestamp(self.facts.at / 1000, dt.UTC).date().isoformat()
        return any(
            one.access.made in ("all", made)
            and self.facts.project in (one.access.projects or [self.facts.project])
            and self.q.purpose in (one.access.purposes or [self.q.purpose])
            and registered <= self.exit()[1]
            for one in self.rights()
        )

    def code(self, party):
        """By the charter; else a name of three letters, unless the charter gives these letters to another."""
        named = {one.id: one.code for one in (*self.c.candidates, *self.c.parties)}
        own = party.upper() if len(party) == 3 and party.isascii() and party.isalpha() else None
        return named.get(party) or (own if own not in named.values() else None)

    def parts_of(self, item, found):
        """All parts, parts of parts included; None when one of them is not known here."""
        for ref in item.facts.derived:
            if (ref.item, ref.version) in {*found, (self.q.item, self.q.version)}:
                continue
            known = [one for one in self.r.items.get(ref.item, ()) if one.version == ref.version]
            if not known:
                return None
            found[ref.item, ref.version] = known[0]
            if self.parts_of(known[0], found) is None:
                return None
        return found

    def side(self, side):
        """(party, the other party, organisation)"""
        if side == "transferor":
            return self.owner, self.to.party, self.facts.organisation
        return self.to.party, self.owner, self.to.organisation

    def attested(self, claim, side):
        """By the party whose organisation it is; an instrument with another party counts towards that party."""
        party, other, about = self.side(side)
        speaks = not self.gone(party) or (party == self.to.party and bool(self.rights()))
        held = [one.terms for one in self.r.attestations if speaks and one.party == party and not one.revoked]
        held = [
            one for one in held if about.startswith(f"{party}/") and about in (one.about, f"{one.about}/{one.about}")
        ]
        return any(one.claim == claim and one.other in (UNSET, other) and one.term.holds(self.day) for one in held)

    def last_words(self, item, authority, condition, law=None):
        """What each party determined last about an item under its label: party to yes or no."""
        about, last = (item.id, item.version, item.label_act, authority, condition), {}
        for one in self.r.determinations:
            said = one.terms
            same = (said.item, said.version, said.on, said.authority, said.condition) == about
            if same and law in (None, said.jurisdiction) and not one.revoked and not self.gone(one.party):
                last[one.party] = said.holds
        return last

    def keepers(self, part):
        """The owners of a part who have not given up control of it by an act of their own."""
        given_up = self.last_words(part, f"charter {self.c.releases.clause}", "control-given-up")
        return {party for party in {part.party, *part.facts.owners} if not given_up.get(party)}

    # ---- what a law is told

    def told(self, name, law, pack):
        side, _, rest = name.partition(".")
        if rest.startswith("attested."):
            roles = (f"{side}_party", *(["state"] if law.adopter == self.side(side)[0] else []))
            return Fact(name=name, value=self.attested(rest[9:], side), says=Says.ACT, by=roles)
        if side == "licensed":
            answers = [self.licensed(one, law, rest) for one in self.r.licences.values()]
            value = True if True in answers else UNSET if None in answers else False
            return Fact(name=name, value=value, says=Says.ACT, by=("state",))
        if side == "determined":
            words = self.last_words(self.item, *rest.split("."), law.id)
            asked = {party: self.roles(party, law) for party in words}
            asked = {party: roles for party, roles in asked.items() if roles & pack.speakers(self.day)[name]}
            value = all(words[party] for party in asked) if asked else UNSET  # one no among those asked stands
            roles = {role for party in asked if words[party] == value for role in asked[party]}
            return Fact(name=name, value=value, says=Says.ACT, by=tuple(roles))
        value = self.over_parts(name) if name.startswith(("item.origins", "item.entries.")) else self.plain(name)
        return Fact(name=name, value=value, says=Says.PARTY)

    def roles(self, party, law):
        roles = {"transferor_officer", "transferor_party", "owner"} if party == self.owner else set()
        roles |= {"owner"} if party in self.facts.owners else set()
        roles |= {"recipient_party"} if party == self.to.party else set()
        return roles | ({"state"} if party == law.adopter else set())

    def licensed(self, one, law, authority):
        """Names both sides and the item, in date and not used up; None where it turns on a value that is not stated."""
        terms, key = one.terms, (self.item.id, self.item.version, self.to.organisation)
        recipient = {self.to.party, self.to.organisation} & set(terms.recipients)
        named = (one.party, terms.jurisdiction, terms.authority) == (law.adopter, law.id, authority)
        sides = terms.holder == self.facts.organisation and recipient and self.item.id in terms.items
        if not named or not sides or not terms.term.holds(self.day) or one.revoked or self.gone(one.party):
            return False
        drawn = key in one.draws  # once for a version and an organisation, however often it is opened
        if terms.quantity is not UNSET and one.used + (0 if drawn else 1) > terms.quantity:
            return False
        if terms.value is UNSET or drawn:
            return terms.value is UNSET or one.spent <= terms.value.amount
        worth = self.worth()
        known = worth is not UNSET and worth.currency == terms.value.currency
        return one.spent + worth.amount <= terms.value.amount if known else None

    def worth(self):
        """What the owner's act says; else what is asked with. Who asks does not lower it."""
        return self.facts.value if self.facts.value is not UNSET else self.q.value

    def plain(self, name):
        value = self.worth()
        return {
            "item.flags": self.facts.flags,
            "transferor.code": self.code(self.owner) or UNSET,
            "recipient.nationalities": tuple(self.said.get("nationalities", ())) or UNSET,
            "place.access": self.q.place,
            "transfer.value": UNSET if value is UNSET else Money(amount=value.amount, currency=value.currency),
        }[name]

    def over_parts(self, name):
        """A product reaches wherever one of its parts reaches; what is not stated of a part is not stated of it."""
        if self.parts is None:
            return UNSET
        every = [self.facts, *(one.facts for one in self.parts.values())]
        lists = [one.origins if name == "item.origins" else one.entries.get(name[-3:], UNSET) for one in every]
        if UNSET in lists or (name == "item.origins" and () in lists):
            return UNSET
        return tuple(sorted({word for words in lists for word in words}))
