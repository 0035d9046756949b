"""Does a quoted passage stand in a document? What may differ is how it was set, never what it says.

Folded: white space and line breaks, a word divided at the end of a line, the shapes of quotation marks, dashes, dots
and ligatures (Unicode NFKC). Ignored: page furniture, that is page numbers and lines that recur on page after page.
Kept: letters, their case, figures, every other sign. `…` or `[...]` in a quotation leaves something out: its parts
must then stand in the document in that order, each of them three words long.

An evidence act keeps the document's digest, not its text.
"""

from __future__ import annotations

import html.parser
import re
import unicodedata
from collections import Counter
from typing import Final

from relto.errors import Malformed, Refused

DOCUMENT_MAX: Final = 16_777_216
WORDS_MIN: Final = 3

_LEFT_OUT: Final = re.compile(r"\[\s*(?:\.\.\.|…)\s*\]|…|\.\.\.")
_PAGE_NUMBER: Final = re.compile(
    r"[\W_]*(?:page|p\.|seite)?[\W_]*\d{1,4}[\W_]*(?:(?:of|/|von)[\W_]*\d{1,4})?[\W_]*", re.IGNORECASE
)
_SIGNS: Final = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        "\u00ad": "",
        "\u200b": "",
        "\ufeff": "",
    }
)


def check_quote(quote: str, document: bytes, where: str = "") -> None:
    """Raises: Refused when the passage does not stand in the document, naming the first part that is missing;
    Malformed for a document that is no text."""
    parts = [_folded(part) for part in _LEFT_OUT.split(quote)]
    parts = [part for part in parts if part]
    if not parts or any(len(part.split()) < WORDS_MIN for part in parts):
        raise Refused(
            f"a quotation needs at least {WORDS_MIN} words in each of its parts",
            hint="quote enough that the passage can be told from others",
            where=where,
        )
    text, place = _folded(text_of(document, where)), 0
    for part in parts:
        found = _whole(part).search(text, place)
        if found is None:
            raise Refused(
                f"the document does not hold `{part[:80]}{'…' if len(part) > 80 else ''}`",
                hint=_nearest(part, text)
                or "is it the right document? white space and typography may differ, words may not",
                where=where,
            )
        place = found.end()


def _whole(part: str) -> re.Pattern[str]:
    """The passage from the beginning of a word to the end of one."""
    before, after = r"(?<!\w)" if part[0].isalnum() else "", r"(?!\w)" if part[-1].isalnum() else ""
    return re.compile(before + re.escape(part) + after)


def text_of(document: bytes, where: str = "") -> str:
    """A text or HTML document without its furniture. Raises: Malformed."""
    if len(document) > DOCUMENT_MAX:
        raise Malformed(f"a document of {len(document)} bytes is over the limit of {DOCUMENT_MAX}", where=where)
    if document.startswith((b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise Malformed(
            "a PDF or office document is not read here",
            hint="give its text (`pdftotext FILE FILE.txt`); the digest is then that of the text file",
            where=where,
        )
    try:
        text = document.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed("the document is not UTF-8 text", hint="convert it first", where=where) from error
    if re.match(r"\s*<(?:!doctype html|html|\?xml)", text[:512], re.IGNORECASE):
        text = _of_html(text)
    return _without_furniture(text)


class _Words(html.parser.HTMLParser):
    """The words of a page; what is not shown is not text."""

    HIDDEN: Final = frozenset({"script", "style", "template", "noscript", "head"})
    INLINE: Final = frozenset({"a", "abbr", "b", "cite", "em", "i", "q", "small", "span", "strong", "sub", "sup", "u"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in self.HIDDEN
        self.found.append("" if tag in self.INLINE else "\n")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in self.HIDDEN and self.hidden > 0
        self.found.append("" if tag in self.INLINE else "\n")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.found.append(data)


def _of_html(text: str) -> str:
    parser = _Words()
    parser.feed(text)
    parser.close()
    return "".join(parser.found)


def _without_furniture(text: str) -> str:
    """Lines at the top and bottom of pages that recur, with their numbers, and lines that are page numbers."""
    pages = [page.strip("\n").split("\n") for page in text.split("\f")]
    edges = Counter(line for page in pages for line in {_bare(line) for line in (*page[:3], *page[-3:])} if line)
    recurring = {line for line, times in edges.items() if len(pages) > 2 and times * 2 > len(pages)}
    kept = []
    for page in pages:
        for number, line in enumerate(page):
            edge = number < 3 or number >= len(page) - 3
            if edge and (_bare(line) in recurring or (len(pages) > 1 and _PAGE_NUMBER.fullmatch(line.strip()))):
                continue
            kept.append(line)
    return "\n".join(kept)


def _bare(line: str) -> str:
    return re.sub(r"\d+", "#", " ".join(line.split()))


def _folded(text: str) -> str:
    """One line, one shape of each sign. A word divided at the end of a line is one word again."""
    text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS)
    text = re.sub(r"(?<=[^\W\d_])-[ \t]*\n\s*(?=[a-zà-ÿ])", "", text)
    return " ".join(text.split())


def _nearest(part: str, text: str) -> str:
    """Where the document parts from the quotation, when a beginning of it stands there."""
    words = part.split()
    for count in range(len(words) - 1, WORDS_MIN - 1, -1):
        start = " ".join(words[:count])
        found = _whole(start).search(text)
        if found is not None:
            goes_on = text[found.end() :].split()[:4]
            return f"after `{' '.join(words[max(0, count - 4) : count])}` it goes on with `{' '.join(goes_on)}`"
    return ""
