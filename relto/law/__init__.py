"""Law: dated texts that say on what authority a thing may be handed over.

A **pack** is one jurisdiction's text. `load_pack` reads and checks it; `evaluate` asks it about one transfer on one
day. The room knows no act, no ledger and no person: facts are handed in by name (`relto.law.facts` lists the names),
each with its speaker, and findings come out, each with its paragraph, the facts it used and what would change it.

* Three answers: `no` beats `unknown` beats `yes`. Turning a known fact into an unknown one never makes a yes.
* `law.J` is a yes where the law does not reach the transfer; else it asks for every general condition and for one
  authority that holds.
* Said by the wrong speaker is not said. Nobody's own word suffices for nationality or employment.
* Every condition is evaluated and shown, also after the first no. A pointer is shown and never permits.
* `lint` says what loads and yet says less than its author thinks; `read_pack` reads a pack aloud for a day.
* Not a legal opinion: a pack says what its text says, for the days for which it says so.

    pack = load_pack(read(source, "us-itar/pack.yaml"))
    judgement = evaluate(pack, "2026-01-15", lookup)
    judgement.value                      # Three.YES, Three.NO, Three.UNKNOWN
    judgement.findings[0].rule           # "law.USA", then its parts in the order of the pack
"""

from relto.law.cases import run_cases, uncovered
from relto.law.facts import UNKNOWN, Fact, Finding, Lookup, Need, Says, Value, activity_of
from relto.law.judge import (
    AuthorityRef,
    Judgement,
    Outline,
    Part,
    Section,
    absent,
    evaluate,
    joined,
    outline,
    part_of,
    sections,
)
from relto.law.licence import Determination, Licence, Used, covers
from relto.law.lint import lint, lint_together
from relto.law.pack import Authority, Obligation, Pack, load_pack
from relto.law.reading import named, read_authority, read_head, read_pack
from relto.law.three import Three, all_of, any_of

__all__ = [
    "UNKNOWN",
    "Authority",
    "AuthorityRef",
    "Determination",
    "Fact",
    "Finding",
    "Judgement",
    "Licence",
    "Lookup",
    "Need",
    "Obligation",
    "Outline",
    "Pack",
    "Part",
    "Says",
    "Section",
    "Three",
    "Used",
    "Value",
    "absent",
    "activity_of",
    "all_of",
    "any_of",
    "covers",
    "evaluate",
    "joined",
    "lint",
    "lint_together",
    "load_pack",
    "named",
    "outline",
    "part_of",
    "read_authority",
    "read_head",
    "read_pack",
    "run_cases",
    "sections",
    "uncovered",
]
