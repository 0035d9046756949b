"""Labels: markings read, written, combined and compared.

What it is: a `Label` (levels per national system, states it is released to, restrictive tags), the banner lines of the
United States, the United Kingdom, Australia, Canada, New Zealand, Japan and NATO, STANAG 4774 labels, and the directed
equivalences by which a level of one system is held in another and a clearance covers it.

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

from relto.label.banner import Conversion, banner, convert, parse, parse_portion, portion
from relto.label.document import Document, check
from relto.label.equivalence import Clearance, Equivalence, Group, Held, Hold, expand
from relto.label.label import Answer, Label, Level, System, combine, in_words, marked, must_hold
from relto.label.stanag import Confidentiality, label_of, read_json, read_xml, said, write_json, write_xml

__all__ = [
    "Answer",
    "Clearance",
    "Confidentiality",
    "Conversion",
    "Document",
    "Equivalence",
    "Group",
    "Held",
    "Hold",
    "Label",
    "Level",
    "System",
    "banner",
    "check",
    "combine",
    "convert",
    "expand",
    "in_words",
    "label_of",
    "marked",
    "must_hold",
    "parse",
    "parse_portion",
    "portion",
    "read_json",
    "read_xml",
    "said",
    "write_json",
    "write_xml",
]
