"""A passage is found however it was set, and not when a word of it differs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relto.charter import check_quote
from relto.charter.quote import DOCUMENT_MAX
from relto.errors import Malformed, Refused

PAGES = "\f".join(
    f"AUKUS DEFENCE MINISTERS  {n}\n\n{body}\n\nPage {n} of 4\n"
    for n, body in enumerate(
        (
            "We are confident that engaging like-minded partners in the work of Pillar II\nwill only strengthen this pur-",
            "suit. Recognising Japan\u2019s strengths \u2014 and its close bilateral defence partnerships\nwith all three "
            "countries \u2014 we are",
            "considering cooperation with Japan on AUKUS Pillar II advanced capability projects.",
            "The factors are technological innovation, financing, and industrial strengths.",
        ),
        1,
    )
)

STANDS = [
    "engaging like-minded partners in the work of Pillar II",
    "will only   strengthen\nthis pursuit",  # divided at the end of a page, with a footer and a header between
    "Recognising Japan's strengths - and its close bilateral defence partnerships",
    "with all three countries - we are considering cooperation with Japan on AUKUS Pillar II",
    "engaging like-minded partners […] technological innovation, financing",
    "We are confident that … considering cooperation with Japan",
]
STANDS_NOT = [
    ("engaging like-minded partners in the work of Pillar I", "goes on with"),
    ("considering membership of Japan in AUKUS", "does not hold"),
    ("technological innovation, financing […] engaging like-minded partners", "does not hold"),  # the other order
    ("We Are Confident That engaging", "does not hold"),
    ("confident … strengths", "at least 3 words"),
    ("", "at least 3 words"),
    ("…", "at least 3 words"),
]


@pytest.mark.parametrize("quote", STANDS)
def test_a_passage_that_stands_in_the_document_is_found(quote):
    check_quote(quote, PAGES.encode())


@pytest.mark.parametrize(("quote", "why"), STANDS_NOT)
def test_a_passage_that_differs_in_a_word_is_refused(quote, why):
    with pytest.raises(Refused) as refused:
        check_quote(quote, PAGES.encode())
    assert why in f"{refused.value.message} {refused.value.hint}"


def test_html_is_read_as_it_is_shown():
    page = b"<!doctype html><head><title>x y z</title><script>never said this</script></head><p>We are <b>con</b>sidering<br>cooperation&nbsp;with Japan"
    check_quote("We are considering cooperation with Japan", page)
    with pytest.raises(Refused):
        check_quote("never said this", page)
    with pytest.raises(Refused):
        check_quote("x y z", page)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"%PDF-1.7\n", "pdftotext"),
        (b"PK\x03\x04", "pdftotext"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a" * (DOCUMENT_MAX + 1), "limit"),
    ],
)
def test_what_is_no_text_is_refused_with_the_way_out(document, says):
    with pytest.raises(Malformed) as refused:
        check_quote("three words here", document)
    assert says in f"{refused.value.message} {refused.value.hint}"


@given(st.text(max_size=400), st.text(max_size=40))
def test_any_text_ends_with_found_or_refused(document, quote):
    try:
        check_quote(quote, document.encode("utf-8", "ignore"))
    except (Refused, Malformed):
        return
    assert quote.split()


@given(st.lists(st.sampled_from(["sea", "lamp", "wind", "oak", "tide", "stone"]), min_size=9, max_size=40), st.data())
def test_what_is_cut_from_a_text_stands_in_it_and_a_changed_word_does_not(words, data):
    start = data.draw(st.integers(0, len(words) - 4))
    quoted = words[start : start + 4]
    text = data.draw(st.sampled_from([" ", "\n", " \n ", "\u00a0"])).join(words)
    check_quote(" ".join(quoted), text.encode())
    with pytest.raises(Refused):
        check_quote(" ".join([*quoted[:3], "gravel"]), text.encode())
