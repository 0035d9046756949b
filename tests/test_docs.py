"""The documents are complete, current and lead somewhere."""

import ast
import codecs
import importlib
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import msgspec
import pytest
import write_docs

from relto.errors import EXIT_DENY, EXIT_ERROR, EXIT_PERMIT, EXIT_UNDETERMINED, ReltoError
from relto.node.config import Config

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
SOURCES = sorted((ROOT / "relto").rglob("*.py"))


def tracked():
    """The files of the repository: as git lists them, or, without git, whatever no tool has left here."""
    git = shutil.which("git")
    if git and (ROOT / ".git").exists():
        listed = subprocess.run([git, "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True).stdout
        found = [ROOT / name for name in listed.decode().split("\0") if name]
        return [path for path in found if path.is_file()]
    made = re.compile(r"(\.[a-z_]+|__pycache__|build|dist|demo-.*|.*\.egg-info)\Z")
    found = [path for path in ROOT.rglob("*") if path.is_file()]
    return [path for path in found if not any(made.match(part) for part in path.relative_to(ROOT).parts[:-1])]


TRACKED = tracked()
PAGES = [path for path in TRACKED if path.suffix == ".md"]


TOP = {
    *(".ci", ".gitignore", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md"),
    *("SECURITY.md", "bench", "docs", "pyproject.toml", "relto", "requirements", "spec", "tests"),
}


def test_nothing_that_a_run_leaves_behind_is_in_the_repository():
    assert {path.relative_to(ROOT).parts[0] for path in TRACKED} <= TOP
    left = [path for path in TRACKED if path.suffix in {".key", ".sqlite", ".pub"} and "vectors" not in path.parts]
    assert not left


def rows(page, columns, after="# "):
    """The cells of a page's table rows that have so many, code marks taken off."""
    for line in page.read_text().partition(after)[2].splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == columns and not set(line) <= set("|- "):
            yield tuple(cell.strip("`") for cell in cells)


@pytest.mark.parametrize("path", write_docs.pages(), ids=lambda path: path.name)
def test_what_is_generated_is_current(path):
    assert path.read_text() == write_docs.pages()[path], "run `make docs`"


def test_every_error_code_has_its_line():
    kinds, queue = [], [ReltoError]
    while queue:
        kinds += (below := queue.pop().__subclasses__())
        queue += below
    wanted = {(kind.code, str(kind.exit_status), str(kind.http_status)) for kind in kinds}
    assert {(code, status, http) for code, _, status, http in rows(REFERENCE / "errors.md", 4)} - wanted == {
        ("code", "exit", "HTTP")
    }
    assert wanted <= {(code, status, http) for code, _, status, http in rows(REFERENCE / "errors.md", 4)}


def test_every_exit_status_of_a_decision_has_its_line():
    told = {status: meaning for status, meaning, _ in rows(REFERENCE / "errors.md", 3)}
    answers = {EXIT_PERMIT: "permit", EXIT_DENY: "deny", EXIT_ERROR: "error", EXIT_UNDETERMINED: "undetermined"}
    assert {str(status): told[str(status)].partition(",")[0] for status in answers} == {
        str(status): words for status, words in answers.items()
    }


def test_every_setting_has_its_line_with_its_default():
    told = {name: default for name, default, _ in rows(REFERENCE / "settings.md", 3)}
    del told["key"]
    for field in msgspec.structs.fields(Config):
        required = field.default is msgspec.NODEFAULT
        assert told.pop(field.name) == ("" if required else msgspec.json.encode(field.default).decode()), field.name
    assert not told, "settings that are none"


def test_every_metric_has_its_line():
    named = set(re.findall(r"\brelto_[a-z_]+\b", "".join((ROOT / "relto" / "node" / "app.py").read_text())))
    told = {name.partition("{")[0] for name, _, _ in rows(REFERENCE / "metrics.md", 3)} - {"metric"}
    assert told == named


def test_every_table_of_the_database_has_its_line():
    schema = "".join(path.read_text() for path in sorted((ROOT / "relto" / "store" / "schema").glob("*.sql")))
    made = set(re.findall(r"^create table (\w+)", schema, re.IGNORECASE | re.MULTILINE))
    page = REFERENCE / "directory.md"
    told = {name for cell, *_ in rows(page, 3, after="## Tables") for name in re.findall(r"\w+", cell)} - {"table"}
    assert made
    assert told == made


def test_every_dependency_has_its_reason():
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE)
    reasons = {
        name for cell, *_ in [*rows(REFERENCE / "dependencies.md", 2), *rows(REFERENCE / "dependencies.md", 3)]
        for name in re.findall(r"[a-z0-9-]+", cell)
    }  # fmt: skip
    assert {re.split(r"[<>=]", one)[0] for one in named} <= set(locked)
    assert reasons - {"package"} == set(locked)


def limits():
    """(file, name, value) of every limit in the code."""
    for path in SOURCES:
        names = []
        for node in ast.parse(path.read_bytes()).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                names += [part.id for part in parts if isinstance(part, ast.Name) and part.id.endswith("_MAX")]
        if names:
            inside = path.relative_to(ROOT)
            module = importlib.import_module(".".join(inside.with_suffix("").parts).removesuffix(".__init__"))
            yield from ((str(inside.relative_to("relto")), name, f"{getattr(module, name):,}") for name in names)


def source(file):
    path = ROOT / "relto" / file
    return path.read_text() if path.exists() else ""


def test_every_limit_has_its_line_with_its_value():
    told = {(file, name): value for file, name, value, _ in rows(REFERENCE / "limits.md", 4) if file != "file"}
    missing = [f"| `{file}` | `{name}` | {value} | … |" for file, name, value in limits() if (file, name) not in told]
    assert not missing, "add to docs/reference/limits.md, and say of what it is the limit:\n" + "\n".join(missing)
    gone = [f"{file}: {name}" for file, name in told if not re.search(rf"\b{name}\b", source(file))]
    assert not gone, f"take off docs/reference/limits.md: {', '.join(gone)}"
    for (file, name), value in told.items():
        module = importlib.import_module("relto." + file.removesuffix(".py").replace("/", "."))
        assert f"{getattr(module, name):,}" == value, f"{file}: {name}"
    assert all(what not in {"", "…"} for *_, what in rows(REFERENCE / "limits.md", 4))


def test_every_page_of_the_reference_can_be_found_from_the_first():
    assert {path.name for path in REFERENCE.iterdir()} <= set(re.findall(r"docs/reference/(\w+\.md)", readme()))


def readme():
    return (ROOT / "README.md").read_text()


def test_the_first_page_shows_the_two_commands_and_the_three_statuses():
    assert all(words in readme() for words in ("make demo", "make test", "| 0 ", "| 1 ", "| 2 ", "| 3 "))


# ---- links ---------------------------------------------------------------------------------------------------------

_LINK = re.compile(r"(?<!\\)\[[^\]\n]*\]\(\s*<?([^)\s>]+)>?\s*\)|^\[[^\]\n]+\]:\s+<?(\S+?)>?\s*$", re.MULTILINE)
_SOURCE = re.compile(r"""(?:src|srcset|href)="([^"]+)\"""")


def prose(text):
    """Without what stands in fences and code marks."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^(```|~~~).*?^\1\s*$", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(page):
    """The anchors that a page's headings have where it is shown."""
    fenceless = re.sub(r"^(```|~~~).*?^\1\s*$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#{1,6} +(.*?) *#*$", fenceless, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    text = prose(page.read_text())
    targets = [one or other for one, other in _LINK.findall(text)] + _SOURCE.findall(text)
    for target in targets:
        if re.match(r"[a-z]+:", target):
            assert target.startswith(("https://", "mailto:")), target
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{target} leads nowhere"
        assert there.is_relative_to(ROOT), f"{target} leads out of the repository"
        assert not anchor or there.suffix != ".md" or anchor in anchors(there), f"{target}: no such heading"


# ---- what no file may say ------------------------------------------------------------------------------------------

# In rot13, so that this file passes its own test: package indexes, directories of one machine, names of tools.
_WORDS = re.compile(
    codecs.decode(
        r"clcv\.bet|clgubaubfgrq|ertvfgel\.acz|qro\.qrovna|pynhqr|naguebcvp|bcranv|pungtcg|pbcvybg|pb-nhguberq-ol|"
        r"(?<![\j.~}-])/(jbex|ebbg|gzc/erygb)\o|\.\./funerq",
        "rot13",
    ),
    re.IGNORECASE,
)


def test_no_file_names_a_machine_an_index_or_a_tool():
    found = []
    for path in TRACKED:
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1):
            if word := _WORDS.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {word[0]}")
    assert not found


def test_the_words_are_found_where_they_stand():
    assert _WORDS.search("see https://" + "pypi" + ".org/")
    assert _WORDS.search("cd /" + "work/main")
    assert not _WORDS.search("the framework/rooted one, ~/work and a work/root, f'{party}/root'")
