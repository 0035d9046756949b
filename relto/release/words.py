"""A decision in words: the same in the command line, the API and the pages.

One sentence a rule, worded so that "holds" is good; one a code for when it does not. Rules of law bring their own words
in the adopted text.
"""

from __future__ import annotations

from relto.acts import Register
from relto.charter.compare import asked_words
from relto.law import Finding, Three
from relto.release.question import Question

HOLDS = {
    "standing.person": "{to} vouches for this person as one of its people",
    "standing.organisation": "{to} attests its organisation {organisation}",
    "standing.party": "{to} is known here by its own ledger and has not withdrawn",
    "scope": "{to} takes part in what the item belongs to",
    "purpose": "the purpose {purpose} is declared, and allowed for the project",
    "label.level": "the clearance covers every level of the item's label",
    "label.release": "the label releases the item to {to} and to every nationality of the person",
    "label.tags": "every compartment of the label is held",
    "denied": "nothing suspends, recalls, retires, freezes, disputes or withholds",
    "fresh": "every ledger that the answer depends on was seen recently enough",
    "owner": "every owner is named, and the owners' own rule permits",
}
# Of charters that have what they are about (engine 2); what a limit asks for, the charter says.
HOLDS_2 = {
    "party_days": "{to} is of its grade on this day",
    "within": "the projects around the item's run on this day",
    "background": "the item is no background, or is listed for this purpose",
}
FAILS = {
    "PERSON_UNKNOWN": "{to} has not said whether this person works for {organisation}",
    "PERSON_NOT_EMPLOYED": "{to} says that this person does not work for {organisation}",
    "ORGANISATION_NOT_ATTESTED": "{to} has not attested {organisation}",
    "ORGANISATION_OF_ANOTHER_PARTY": "{organisation} is no organisation of {to}, which vouches for its own only",
    "PARTY_UNKNOWN": "no ledger of {to} is held here",
    "PARTY_WITHDRAWN": "{to} has withdrawn",
    "PILLAR_CLOSED": "the item belongs to a pillar that is closed to {to}",
    "NO_SUCH_PROJECT": "the item's project is neither in the charter nor begun by an act",
    "PROJECT_NOT_RUNNING": "the item's project does not run on this day",
    "NOT_A_PARTICIPANT": "{to} does not take part in the item's project",
    "NOT_ENGAGED": "{to} is not engaged in the item's project",
    "ENGAGEMENT_LAPSED": "the engagement of {to} has lapsed",
    "ENGAGEMENT_ENDED": "the engagement of {to} has ended",
    "ENGAGEMENT_NOT_BEGUN": "the engagement of {to} has not begun",
    "OBSERVER_ONLY": "{to} is an observer in the project, which gives it no item",
    "AREA_NOT_COVERED": "the engagement of {to} does not cover the item's area",
    "OVER_CEILING": "the item's level is not within the ceiling of {to}'s engagement",
    "PURPOSE_NOT_DECLARED": "the charter declares no purpose {purpose}",
    "PURPOSE_NOT_FOR_PROJECT": "the purpose {purpose} is not one of the item's project",
    "CLEARANCE_UNKNOWN": "{to} has not stated a clearance for this person",
    "CLEARANCE_EXPIRED": "the person's clearance has ended",
    "CLEARANCE_TOO_LOW": "the person's clearance does not cover the label",
    "CLEARANCE_NOT_COMPARABLE": "nobody has agreed how the person's clearance compares with the label",
    "RELEASABLE_TO_NOBODY": "the label releases the item to nobody",
    "NOT_RELEASABLE": "the label does not release the item to {to} or to one of the person's nationalities",
    "NATIONALITY_UNKNOWN": "{to} has not stated the person's nationalities",
    "LETTERS_UNKNOWN": "no text says by which letters markings name {to}",
    "TAG_NOT_HELD": "the label carries a compartment that nobody has stated to be held",
    "SUSPENDED": "the engagement of {to} is suspended",
    "RECALLED": "the item, or a part of it, was recalled from {to}",
    "RETIRED": "the item is retired",
    "WITHDRAWN": "the owner has withdrawn",
    "FROZEN": "a ledger that this rests on is frozen",
    "OWED": "entries addressed to this node have not been opened to it",
    "DISPUTED": "something that this rests on is in doubt: its key is disputed, or its ledger forked below it",
    "STALE": "a ledger that the answer depends on was not seen recently enough",
    "OWNER_LEFT_OUT": "the item does not name the party in whose ledger it stands among its owners",
    "CO_OWNER_LEFT_OUT": "the owner of a part is not among the item's owners and has not given up control of the part",
    "PART_UNKNOWN": "a part of the item is not known here",
    "NOT_APPROVED": "no officer of the owner has approved this request",
    "REFUSED": "an officer of the owner has refused this request",
    "NOT_A_PARTY_ON_THE_DAY": "{to} is not of its grade on this day",
    "BACKGROUND_NOT_LISTED": "the item is background that its owner has not listed",
    "BACKGROUND_KEPT_BACK": "the item is background that its owner keeps from {purpose}",
    "LAW_NOT_ADOPTED": "no adopted text says what the law of this jurisdiction is on this day",
    "NO_AUTHORITY": "no authority of this law is shown to cover this transfer",
    "POINTER": "named for completeness; it is not evaluated here and never permits",
}
STATES = {Three.YES: "holds", Three.NO: "does not hold", Three.UNKNOWN: "not known"}


def sentence(register: Register, question: Question, finding: Finding) -> str:
    """One finding in one sentence."""
    code = FAILS.get(finding.deny_code)
    known = {
        "to": _name(register, question.to.party),
        "organisation": question.to.organisation,
        "purpose": question.purpose,
    }
    if finding.rule.startswith("law."):
        own = rule_words(register, question.date, finding.rule)
        if finding.rule.count("/") == 0:
            return f"law of {finding.rule[4:]}: " + (
                code.format(**known) if code and finding.value is not Three.YES else own or "a yes"
            )
        return (own or finding.rule) + ("" if finding.value is Three.YES else f": {STATES[finding.value]}")
    if finding.value is not Three.YES and code:
        return code.format(**known)
    if finding.rule.startswith("limit."):
        return _limit(register, finding)
    return (HOLDS | HOLDS_2)[finding.rule].format(**known) + (
        "" if finding.value is Three.YES else f": {STATES[finding.value]}"
    )


def _limit(register: Register, finding: Finding) -> str:
    """What a limit of the charter asks for, and how that stands."""
    name = finding.rule.removeprefix("limit.")
    limits = register.charter.limits if register.charter is not None else ()
    one = next((limit for limit in limits if limit.id == name), None)
    if one is None:
        return f"the charter names the limit {name} and does not have it"
    needs = " and ".join(asked_words(each) for each in one.needs)
    about = "" if finding.facts[0].value != "not about this" else ", and this is none of what it is about"
    return f"limit {name}: {needs}{about}" + ("" if finding.value is Three.YES else f": {STATES[finding.value]}")


def rule_words(register: Register, day: str, rule: str) -> str:
    """What the adopted text itself says of one of its rules; empty when no text is in force."""
    jurisdiction = rule.partition(".")[2].partition("/")[0]
    adopted = register.pack_on(jurisdiction, day)
    return adopted.pack.words(day).get(rule, "") if adopted is not None and adopted.pack is not None else ""


def law_words(register: Register, day: str) -> dict[str, str]:
    """All rules of all adopted texts of the day, for pages."""
    found: dict[str, str] = {}
    for jurisdiction in register.packs:
        adopted = register.pack_on(jurisdiction, day)
        if adopted is not None and adopted.pack is not None:
            found |= adopted.pack.words(day)
    return found


def _name(register: Register, party: str) -> str:
    known = register.parties.get(party)
    return known.name if known else party
