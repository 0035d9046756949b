"""Release: who may receive what, on what authority, why, and what would change it.

The rules of a decision (`decide`), the same rules asked backwards (`who`, `what`), what drafted acts would change
(`impact`), a rehearsal of a withdrawal, and the replay of past releases (`audit`). Everything is a function of a
register and a question; it knows packages by digest only, and neither disk, network nor clock.

* Three answers: permit, deny (no one needs to look), undetermined (these named people can answer). Only permit
  releases.
* Every rule is tried and shown, also after the first no. A rule id without a slash is a conjunct; with one it is a
  part.
* The decision id is content-addressed: equal inputs, equal id, on every node.
* What would change an answer was tried on the register before it is shown.

    question = Question(to=engineer, item="gbr/sonar-notes", version=1, purpose="evaluation", place="AUS", day=now)
    decision = decide(register, question)
    decision.answer, [one.rule for one in decision.failing]
"""

from relto.release.audit import Audited, audit
from relto.release.cases import run_charter_cases
from relto.release.decide import decide
from relto.release.ending import Audience, Ending, Missing, audience, endings, missing
from relto.release.impact import (
    Impact,
    Rectangle,
    Withdrawal,
    assume,
    difference,
    impact,
    rehearse_withdrawal,
    with_charter,
    with_law,
)
from relto.release.owed import Owed, owed, owed_of
from relto.release.question import ENGINE, EXIT, Answer, Change, Decision, Question, date_of, decision_id
from relto.release.search import (
    Declared,
    Page,
    Row,
    heads,
    live,
    newest,
    pairs,
    rosters,
    usual,
    what,
    what_page,
    who,
    who_page,
)

__all__ = [
    "ENGINE",
    "EXIT",
    "Answer",
    "Audience",
    "Audited",
    "Change",
    "Decision",
    "Declared",
    "Ending",
    "Impact",
    "Missing",
    "Owed",
    "Page",
    "Question",
    "Rectangle",
    "Row",
    "Withdrawal",
    "assume",
    "audience",
    "audit",
    "date_of",
    "decide",
    "decision_id",
    "difference",
    "endings",
    "heads",
    "impact",
    "live",
    "missing",
    "newest",
    "owed",
    "owed_of",
    "pairs",
    "rehearse_withdrawal",
    "rosters",
    "run_charter_cases",
    "usual",
    "what",
    "what_page",
    "who",
    "who_page",
    "with_charter",
    "with_law",
]
