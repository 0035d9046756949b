"""Writes the `paragraphs:` of the US pack from the table of the munitions list: `python tests/law/usml_lists.py`.

The table (tests/vectors/law/usml_entries.yaml, with its source and date) has one row a paragraph; the pack needs three
lists of numbers. A test holds the pack to what this writes.
"""

import pathlib
import textwrap

import yaml

TABLE = pathlib.Path(__file__).parents[1] / "vectors" / "law" / "usml_entries.yaml"
NO_CLASSIFICATION = {"ear_companion", "interpretation", "exclusion"}


def table():
    return yaml.safe_load(TABLE.read_text())


def numbers(usml):
    """Every paragraph that can classify a thing, and the categories, whose rules the paragraphs narrow."""
    rows = [row["id"] for row in usml["entries"] if row.get("kind") not in NO_CLASSIFICATION]
    return [*usml["categories"], *rows]


def marked(usml, mark, value):
    """The highest paragraphs of which this and everything below carries the mark; the marks of a parent are its own.

    A paragraph with the mark above one without it is not named itself: what is classified no deeper is undecided.
    """
    rows = {row["id"]: row for row in usml["entries"]}
    below = {name: [row["id"] for row in usml["entries"] if row["parent"] == name] for name in rows}

    def whole(name):
        return rows[name].get(mark) == value and all(whole(child) for child in below[name])

    found = {name for name in rows if whole(name)}
    return [name for name in rows if name in found and rows[name]["parent"] not in found]


def lists(usml):
    return {
        "usml": numbers(usml),
        "usml-sme": marked(usml, "sme", True),
        "usml-mt": marked(usml, "mt", True),
        "usml-mt-if": marked(usml, "mt", "conditional"),
    }


SAYS = {
    "usml": "The paragraphs of the munitions list that can classify a thing",
    "usml-sme": "Paragraphs with the asterisk of significant military equipment (120.10(c)), all that is below them included",
    "usml-mt": "Paragraphs marked MT without a condition",
    "usml-mt-if": "Paragraphs marked MT on a condition that the paragraph names",
}


def text():
    usml = table()
    lines = ["paragraphs:"]
    for name, found in lists(usml).items():
        lines += [f"- id: {name}", "  cite: 22 CFR 121.1", f"  says: {SAYS[name]}", "  of: item.entries.USA"]
        words = ", ".join(f'"{one}"' if "(" in one else one for one in found)
        lines += textwrap.wrap(f"  numbers: [{words}]", 118, subsequent_indent="    ", break_long_words=False)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(text(), end="")
