"""Documents that leave the partnership's software: one list of blocks, written as Markdown or as PDF.

PDF needs the extra `pdf` (fpdf2) and is set in its built-in fonts, which hold Latin letters only; what they do not
hold is refused, never replaced by something that looks like it. Markdown holds everything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from relto.errors import Malformed, NotFound, Refused


class Heading(Struct, frozen=True, tag=True):
    text: str
    level: int = 1


class Paragraph(Struct, frozen=True, tag=True):
    text: str


class Points(Struct, frozen=True, tag=True):
    items: tuple[str, ...]


class Table(Struct, frozen=True, tag=True):
    """widths: shares of the page for each column; equal without them."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...] = ()


Block = Heading | Paragraph | Points | Table


def write(target: Path, blocks: Sequence[Block], title: str, created: int) -> None:
    """A new file, .md or .pdf. Raises: Malformed for another name, Refused where something stands there."""
    if target.suffix not in {".md", ".pdf"}:
        raise Malformed(f"`{target.name}` is neither .md nor .pdf", hint="say which: `--out FILE.md`", where="--out")
    if target.exists():
        raise Refused(f"`{target}` is there already", hint="name a new file")
    data = pdf(blocks, title, created) if target.suffix == ".pdf" else markdown(blocks).encode()
    target.write_bytes(data)


def markdown(blocks: Sequence[Block]) -> str:
    """CommonMark with tables of GitHub's kind. Signs that would be read as markup are escaped."""
    return "\n\n".join(_marked(one) for one in blocks) + "\n"


def _marked(block: Block) -> str:
    match block:
        case Heading(text=text, level=level):
            return f"{'#' * level} {_plain(text)}"
        case Paragraph(text=text):
            return _plain(text)
        case Points(items=items):
            return "\n".join(f"- {_plain(item)}" for item in items)
        case Table(header=header, rows=rows):
            lines = [header, tuple("---" for _ in header), *rows]
            return "\n".join(
                f"| {' | '.join(_plain(cell).replace('|', chr(92) + '|') if line is not lines[1] else cell for cell in line)} |"
                for line in lines
            )


def _plain(text: str) -> str:
    """A text of somebody else's must not become a link, a heading or HTML."""
    text = " ".join(text.split())
    for sign in "\\`*_[]<>#":
        text = text.replace(sign, f"\\{sign}")
    return text


# Of the built-in fonts: cp1252 has these, Latin-1 has not. Same meaning, other typography.
_TYPOGRAPHY = str.maketrans(
    {"–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "−": "-", "\u00a0": " "}
)


def pdf(blocks: Sequence[Block], title: str, created: int) -> bytes:
    """created: ms, written into the file instead of the time of writing, so that the same words give the same bytes.

    Raises: NotFound without fpdf2; Refused for a text that the fonts do not hold.
    """
    try:
        from fpdf import FPDF
    except ImportError as error:
        raise NotFound(
            "writing PDF needs the extra `pdf`", hint="install `relto[pdf]`, or ask for Markdown: `--out FILE.md`"
        ) from error
    page = FPDF(format="A4")
    page.set_creation_date(dt.datetime.fromtimestamp(created / 1000, dt.UTC))
    page.set_title(_latin(title))
    page.set_margins(20, 20)
    page.set_auto_page_break(auto=True, margin=20)
    page.add_page()
    for block in blocks:
        match block:
            case Heading(text=text, level=level):
                page.ln(2)
                page.set_font("helvetica", "B", {1: 16, 2: 12}.get(level, 10))
                page.multi_cell(0, 7, _latin(text), new_x="LMARGIN", new_y="NEXT")
                page.ln(1)
            case Paragraph(text=text):
                page.set_font("helvetica", "", 10)
                page.multi_cell(0, 5, _latin(text), new_x="LMARGIN", new_y="NEXT")
                page.ln(2)
            case Points(items=items):
                page.set_font("helvetica", "", 10)
                for item in items:
                    page.set_x(24)
                    page.multi_cell(0, 5, f"- {_latin(item)}", new_x="LMARGIN", new_y="NEXT")
                page.ln(2)
            case Table(header=header, rows=rows, widths=widths):
                page.set_font("helvetica", "", 8)
                with page.table(col_widths=widths or None, line_height=4.5, text_align="LEFT") as table:
                    for row in (header, *rows):
                        cells = table.row()
                        for cell in row:
                            cells.cell(_latin(cell))
                page.ln(2)
    return bytes(page.output())


def _latin(text: str) -> str:
    text = " ".join(text.split()).translate(_TYPOGRAPHY)
    try:
        text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise Refused(
            f"the PDF's fonts hold no `{text[error.start]}`", hint="ask for Markdown, which holds every letter"
        ) from error
    return text
