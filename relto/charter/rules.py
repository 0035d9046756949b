"""By which rule a joint matter is decided, who votes on it, and whether a set of votes decides it.

`poll` finds the rule of a charter for a matter and who is asked; `Poll.verdict` is the one place that says of votes
whether they put a proposal in force, kill it, or leave it open. The fold hands it the votes that count; `check` and the
cases of a charter ask the same function.

* A verdict is stable: `in_force` and `dead` are said only when no vote that is still to come could change them.
* Two proposals of one slot cannot both win: any two sets of consents that win share a voter, or, where only votes cast
  are counted, each has more consents than refusals, and a consent to the one speaks against the other (spec/register.md,
  "Rules"). `check` refuses rules that do not have this property.
* More consents never hurt, more refusals never help.
* Silence speaks at the proposal's deadline and not before. What it says is the rule's word: a refusal unless the charter
  says otherwise.

Source: spec/charter.md, "Rules of decision"; facts of the design about ledgers, section 6.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

import msgspec

from relto.charter.model import Charter, Decision, Fraction, Silence
from relto.errors import NotFound

Voice = Literal["consent", "refuse", "veto", "silent"]
State = Literal["open", "in_force", "dead"]
Turnout = Literal["open", "met", "missed"]
HALF: Final = Fraction(part=1, whole=2)


class Matter(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be decided.

    project, pillar, participants: of the project that it is about. ends: what an `end` ends. grade: the grade that an
    admission gives. sections: what an amendment touches. concerned: who has no say under `other_members`, or the owner.
    bound: who must consent because it binds them.
    """

    act: str
    project: str = ""
    pillar: str = ""
    participants: tuple[str, ...] = ()
    ends: str = ""
    grade: str = ""
    sections: frozenset[str] = frozenset()
    concerned: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """One rule and those whom it asks: `voters` vote, `asked` must each consent besides.

    weights: votes or contribution parts of each voter, where the rule counts them.
    """

    rule: Decision
    voters: tuple[str, ...]
    asked: tuple[str, ...] = ()
    weights: Mapping[str, int] = {}

    @property
    def everyone(self) -> tuple[str, ...]:
        return (*self.voters, *(one for one in self.asked if one not in self.voters))

    @property
    def needs_deadline(self) -> bool:
        """Whether this can end only at a deadline, so that a proposal without one is void."""
        rule = self.rule
        spoken = rule.counted == "cast" or rule.silence != "refuses" or rule.veto is not None
        spoken = spoken or (rule.takes_effect is not None and not rule.by_all)
        return spoken or rule.open_days > 0 or any(one.silence != "refuses" for one in rule.assent)

    def call(self, number: int) -> Poll:
        """The same question at a later call, the first being 1: nothing but the quorum differs."""
        calls = self.rule.later_calls
        quorum = calls[min(number - 1, len(calls)) - 1].quorum if number > 1 and calls else self.rule.quorum
        return msgspec.structs.replace(self, rule=msgspec.structs.replace(self.rule, quorum=quorum))

    def turnout(self, said: Mapping[str, Voice]) -> Turnout:
        """Whether enough voters take part for the quorum. `met` and `missed` do not change when more is said."""
        quorum, n = self.rule.quorum, len(self.voters)
        spoken = [self._as(one, said[one]) for one in self.voters if one in said]
        cast = sum(one != "abstain" for one in spoken)
        if quorum is None or quorum.reached(cast, n):
            return "met"
        return "open" if quorum.reached(cast + n - len(spoken), n) else "missed"

    def is_veto(self, reason: str) -> bool:
        """Whether a refusal with this reason is a veto: it names one of the grounds, and says more."""
        ground, colon, rest = reason.partition(":")
        return self.rule.veto is not None and bool(colon and rest.strip()) and ground.strip() in self.rule.veto.grounds

    def silent(self, party: str) -> Silence:
        """What silence of this party at the deadline means."""
        told = next((one.silence for one in self.rule.assent if one.party == party), None)
        if told is not None:
            return told
        return self.rule.silence if party in self.voters and party not in self.asked else "refuses"

    def verdict(self, said: Mapping[str, Voice]) -> State:
        """What these votes do. A party that is not in `said` may still say anything."""
        if not self.everyone:
            return "open"  # nobody could agree to it: an empty set never decides
        if not self._wins(said, "consent"):
            return "dead"
        # A refusal to come counts against the consents, silence against the quorum: neither may be able to turn it.
        worst: Voice = "veto" if self.rule.veto is not None else "refuse"
        return "in_force" if self._wins(said, worst) and self._wins(said, "silent") else "open"

    def _wins(self, said: Mapping[str, Voice], rest: Voice) -> bool:
        """Whether it is carried when everybody who has not spoken says `rest`."""
        says = {party: self._as(party, said.get(party, rest)) for party in self.everyone}
        if any(says[party] != "consent" for party in self.asked):
            return False
        return "veto" not in says.values() and self._carried({one: says[one] for one in self.voters})

    def _as(self, party: str, voice: Voice) -> str:
        if voice != "silent":
            return voice
        return {"refuses": "refuse", "consents": "consent", "abstains": "abstain"}[self.silent(party)]

    def _carried(self, says: Mapping[str, str]) -> bool:
        """Whether the voters' part of the rule is met by a full set of votes."""
        rule = self.rule
        yes = [one for one in self.voters if says[one] == "consent"]
        no = [one for one in self.voters if says[one] == "refuse"]
        if not self.voters:
            return bool(self.asked)  # everybody with a vote is asked by name
        whole = len(yes) + len(no) if rule.counted == "cast" else len(self.voters)
        if rule.quorum is not None and not rule.quorum.reached(len(yes) + len(no), len(self.voters)):
            return False
        match rule.rule:
            case "unanimity" | "all_affected" | "owner":
                return not no and bool(yes) and (rule.counted == "cast" or len(yes) == whole)
            case "k_of_n":
                return len(yes) >= needed(rule, len(self.voters))
            case "majority":
                return 2 * len(yes) > whole
            case "fraction":
                return bool(yes) and _share(rule.share).reached(len(yes), whole)
            case "double_majority":
                counted = self.voters if rule.counted == "all" else (*yes, *no)
                heads = bool(yes) and _share(rule.share).reached(len(yes), whole)
                return heads and _share(rule.contributions).reached(self._weight(yes), self._weight(counted))
            case "weighted":
                # Blocked by so many votes against; what is not cast for it counts against it.
                against = self._weight(self.voters) - self._weight(yes)
                return bool(yes) and against < rule.blocked_by

    def _weight(self, parties: Iterable[str]) -> int:
        return sum(self.weights.get(one, 0) for one in parties)


def needed(rule: Decision, n: int) -> int:
    """Consents that `k_of_n` needs of n voters. Never half or fewer: two contrary proposals must not both find enough.

    More than there are voters cannot be reached: where some do not vote (one to be expelled), all others do.
    """
    return min(max(rule.k, n // 2 + 1), n)


def _share(share: Fraction | None) -> Fraction:
    assert share is not None, "drafting asks for it where the rule counts it"
    return share


# ---- from a charter to a poll ----------------------------------------------------------------------------------------


def rule_for(charter: Charter, matter: Matter) -> Decision:
    """The narrowest entry that is about this matter: one that names the project, then one that names anything.

    Raises: NotFound when the charter says nothing about this act.
    """
    fitting = [one for one in charter.decisions if one.act == matter.act and _about(one, matter)]
    if not fitting:
        raise NotFound(f"the charter has no decision rule for `{matter.act}`")
    rule = max(fitting, key=lambda one: (rank(one), -charter.decisions.index(one)))
    there = {one.clause for one in charter.decisions}
    lacking = [clause for clause in rule.save_for if clause not in there]
    if lacking:  # it was agreed as the rule for what these do not say, and they are gone
        raise NotFound(f"clause `{rule.clause}` is save for `{lacking[0]}`, which is not there")
    return rule


def rank(rule: Decision) -> tuple[bool, int]:
    """How narrow an entry is."""
    return bool(rule.projects), sum(bool(one) for one in (rule.pillars, rule.grades, rule.sections, rule.ends))


def _about(rule: Decision, matter: Matter) -> bool:
    return (
        (not rule.projects or matter.project in rule.projects)
        and (not rule.pillars or matter.pillar in rule.pillars)
        and (not rule.grades or matter.grade in rule.grades)
        and (not rule.ends or matter.ends == rule.ends)
        # An amendment that touches one thing more than the entry names is decided by the general rule.
        and (not rule.sections or (bool(matter.sections) and matter.sections <= set(rule.sections)))
    )


def poll(charter: Charter, matter: Matter) -> Poll:
    """Who is asked about this matter, and by which rule. Raises: NotFound."""
    rule = rule_for(charter, matter)
    voters = charter.electorate(rule, participants=matter.participants, concerned=matter.concerned)
    if rule.voters != "owners":
        voters = tuple(one for one in voters if not suspended(charter, one, matter.project))
    bound = matter.bound if rule.bound_consents else ()
    asked = dict.fromkeys((*bound, *(one.party for one in rule.assent)))
    return Poll(rule=rule, voters=voters, asked=tuple(asked), weights=_weights(charter, rule, matter, voters))


def suspended(charter: Charter, party: str, project: str) -> bool:
    """Whether a party has no vote on a matter of this project; on everything, where its entry names none."""
    held = [one for one in charter.suspended_votes if one.party == party]
    return any(not one.projects or project in one.projects for one in held)


def _weights(charter: Charter, rule: Decision, matter: Matter, voters: Iterable[str]) -> dict[str, int]:
    if rule.rule == "weighted":
        return {one: charter.party(one).votes for one in voters}
    if rule.rule == "double_majority":
        known = {one.id: one for one in charter.projects}
        shares = known[matter.project].shares if matter.project in known else ()
        return {one.party: one.parts for one in shares if one.of == "money"}
    return {}


def sections_touched(before: Charter, after: Charter) -> frozenset[str]:
    """The parts of a charter that an amendment changes, by the names that stand at the head of them in the text."""
    found = set()
    for name in before.__struct_fields__:
        if name not in {"clauses", "digest", "in_force_from"} and getattr(before, name) != getattr(after, name):
            found.add(SECTIONS.get(name, name))
    return frozenset(found)


# Where a value is not called as its section in the text is.
SECTIONS: Final = {"aim": "purpose", "equivalence": "labels", "id": "charter"}


def newly_suspended(before: Charter, after: Charter) -> tuple[str, ...]:
    """The parties whose vote an amendment suspends: they have no say on that."""
    old = {(one.party, one.projects) for one in before.suspended_votes}
    return tuple(dict.fromkeys(one.party for one in after.suspended_votes if (one.party, one.projects) not in old))


# ---- what can be decided at all --------------------------------------------------------------------------------------


def faults(poll: Poll) -> Iterator[str]:
    """What is wrong with a rule for these voters: that nothing could meet it, or that two contrary votes could both."""
    if not poll.everyone:
        yield "nobody has a vote on it"
        return
    if poll.verdict(dict.fromkeys(poll.everyone, "consent")) != "in_force":
        yield "even the consent of everybody asked would not meet it"
    elif poll.voters and not _proper(poll):
        yield "two contrary proposals could both be carried"


def _proper(poll: Poll) -> bool:
    """Whether any two sets of consents that win have a voter in common, or, of votes cast, outnumber each other."""
    rule, n = poll.rule, len(poll.voters)
    if any(one.silence == "refuses" for one in rule.assent):
        return True  # who is asked by name consents to one of two
    match rule.rule:
        case "unanimity" | "all_affected" | "owner" | "majority":
            return True
        case "k_of_n":
            return 2 * rule.k > n
        case "weighted":
            whole = sum(poll.weights.values())
            return 2 * (whole - rule.blocked_by + 1) > whole
        case "fraction":
            return _more_than_half(_share(rule.share))
        case "double_majority":
            return _more_than_half(_share(rule.share)) or _more_than_half(_share(rule.contributions))


def _more_than_half(share: Fraction) -> bool:
    return 2 * share.part > share.whole
