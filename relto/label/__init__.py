"""Labels: markings read, written, combined and compared.

What it is: a `Label` (levels per national system, states it is released to, restrictive tags), the banner lines of the
United States, the United Kingdom, Australia and NATO, and the directed equivalences by which a clearance of one system
covers a level of another.

What it is not: it decides nothing about a person and knows no charter. Equivalences and groups are handed in, for they
are dated agreements.

* Nothing is mapped when combining; a product keeps one set of levels per system.
* `rel` unset is unmarked (the owners only), `()` is nobody. No set is ever widened, and no set is compared before
  groups are written out.
* An equivalence is directed and pairwise: what is not written down is `unknown`.
* A banner has one spelling. What is not understood is refused with rule and column, and corrected only where it can
  mean one thing.

    >>> a = parse("SECRET//REL TO USA, AUS, GBR")
    >>> b = parse("SECRET//REL TO USA, GBR")
    >>> banner(combine(a, b, owners=frozenset({"USA"})), "USA")
    'SECRET//REL TO USA, GBR'
    >>> banner(parse("OFFICIAL-SENSITIVE - RELEASABLE TO AUS, GBR, USA"), "GBR")
    'OFFICIAL-SENSITIVE - RELEASABLE TO AUS, GBR, USA'
"""

from relto.label.banner import banner, parse, parse_portion, portion
from relto.label.document import Document, check
from relto.label.equivalence import Clearance, Equivalence, Group, Hold, expand
from relto.label.label import Answer, Label, Level, System, combine, marked, must_hold

__all__ = [
    "Answer",
    "Clearance",
    "Document",
    "Equivalence",
    "Group",
    "Hold",
    "Label",
    "Level",
    "System",
    "banner",
    "check",
    "combine",
    "expand",
    "marked",
    "must_hold",
    "parse",
    "parse_portion",
    "portion",
]
