"""The shipped law over real nodes: three laws at once, releases without a file, records, and what later knowledge says."""

import csv
import io
import re
from pathlib import Path

import msgspec
import pytest
from world import World, check

from relto import acts, law
from relto.acts import RecipientClass
from relto.demo import cast
from relto.errors import Conflict, Malformed, NotFound, Refused
from relto.label import Label, Level
from relto.law import Three
from relto.node import records, releasing
from relto.node.login import class_bytes
from relto.node.people import add_person, person, publish_roster
from relto.node.releasing import Telling
from relto.node.tokens import Presentation, issue_presentation
from relto.release import Question, audit, decide, owed

DATA, PRODUCT, KEEL = "usa/sonar-data", "gbr/towed-array", "gbr/keel"
OPEN = ("AUS", "GBR", "USA")


def item(name, organisation, *, origins, entries, system, level, derived=(), **more):
    owner = organisation.partition("/")[0]
    return {
        "item": name,
        "version": 1,
        "opaque": name.encode().hex().ljust(32, "0")[:32],
        "title": name.partition("/")[2],
        "organisation": organisation,
        "owners": (owner,),
        "release": acts.ReleaseRule(rule="one"),
        "project": cast.PROJECT,
        "areas": (cast.AREA,),
        "label": Label(levels=(Level(system=system, level=level),), rel=OPEN),
        "nature": "technical_data",
        "origins": origins,
        "entries": {"AUS": (), "GBR": (), "USA": ()} | entries,
        "flags": (),
        "derived": derived,
        "value": acts.Money(amount=0, currency="USD"),
        **more,
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Three founders with their law; US data, a British product that contains it, and the attestations both need."""
    found = World(tmp_path_factory.mktemp("law"))
    for party in ("gbr", "usa", "aus"):
        found.start(party, cast.PARTIES[party])
    found.found("gbr", "usa", "aus")
    found.adopt_laws()
    term = acts.Term(since=cast.day(found.time), until=cast.day(found.time, 365))
    for one in cast.PEOPLE:
        if one.party in found.nodes:
            facts = msgspec.convert(one.facts(cast.day(found.time, 365)), RecipientClass)
            add_person(found.nodes[one.party], one.alias, one.name, "", facts, one.party.upper())
    for party in found.nodes:
        for fields in cast.attestations(party, found.time):
            found.act(party, "attest", **fields)
        publish_roster(found.nodes[party])
    for other in ("aus", "gbr"):
        found.act("usa", "attest", about=cast.USA_ORG, claim="no-broker", term=term, other=other)
    found.act("usa", "register", **item(DATA, cast.USA_ORG, origins=("USA",), entries={"USA": ("XI(d)",)},
                                        system="USA", level="UNCLASSIFIED"))  # fmt: skip
    found.sync()
    part = acts.ItemRef(item=DATA, version=1)
    found.act("gbr", "register", **item(PRODUCT, cast.OWNER_ORG, origins=("GBR",), entries={"GBR": ("ML11a",)},
                                        system="GBR", level="OFFICIAL", derived=(part,), owners=("gbr", "usa")))  # fmt: skip
    found.act("gbr", "register", **item(KEEL, cast.OWNER_ORG, origins=("GBR",), entries={"GBR": ("ML9a",)},
                                        system="GBR", level="OFFICIAL"))  # fmt: skip
    found.sync()
    return found


def someone(world, alias="ada"):
    return person(world.nodes[next(one.party for one in cast.PEOPLE if one.alias == alias)], alias)


def ask(world, name, alias="ada", at=None, **more):
    at = at or name.partition("/")[0]
    who = someone(world, alias)
    question = Question(to=who.recipient, item=name, version=1, purpose="evaluation", place=who.place,
                        place_says="party", day=world.time, **more)  # fmt: skip
    return decide(world.register(at), question)


def finding(decision, rule):
    return next(one for one in decision.findings if one.rule == rule)


def presentation(world, alias, audience, *, place=None, purpose="evaluation", late=0):
    """What the person's own node hands out, kept there so that a release can be checked against it."""
    who = someone(world, alias)
    node = world.nodes[who.recipient.party]
    made = Presentation.of(
        who.recipient,
        issuer=node.origin,
        audience=world.nodes[audience].origin,
        pseudonym=who.pseudonym,
        place=place or who.place,
        place_says="party",
        purpose=purpose,
        jkt="A" * 43,
        now=node.clock() // 1000 - late,
        random=node.random,
    )
    node.store.execute(
        "INSERT INTO vouched (jti, pseudonym, audience, class, item, at) VALUES ($1, $2, $3, $4, $5, $6)",
        (made.jti, who.pseudonym, made.aud, class_bytes(made.recipient(node.me)), "told", node.clock()),
    )
    return issue_presentation(made, node.keys.vouch)


def determine(world, party, name, jurisdiction, authority, condition, *, holds=True, reason="Read row by row"):
    on = world.register(party).item(name).label_act
    fields = {"item": name, "version": 1, "on": on, "jurisdiction": jurisdiction, "authority": authority}
    act = world.act(party, "determine", **fields, condition=condition, holds=holds, reason=reason)
    world.sync()
    return act


def test_us_data_for_australia_from_question_to_record(world):
    usa, aus = world.nodes["usa"], world.nodes["aus"]
    # Undetermined: one thing is open, and it says which paragraph, which fact, and whose.
    before = ask(world, DATA)
    assert before.answer == "undetermined"
    assert [one.rule for one in before.failing] == ["law.USA"]
    b3 = finding(before, "law.USA/us-itar-126-7/b3")
    assert (b3.value, b3.cite, b3.needs[0].kind, b3.needs[0].of) == (
        *(Three.UNKNOWN, "22 CFR 126.7(b)(3)", "determine", "transferor_officer"),
    )
    token = presentation(world, "ada", "usa")
    size = usa.log.head.size
    refused = releasing.record(usa, Telling(item=DATA, version=1, method="oral", presentation=token))
    assert (refused["answer"], refused["release"]) == ("undetermined", None)
    assert not any(one.party == "usa" for one in usa.register.releases.values())
    assert usa.log.head.size - size <= 1  # an acknowledge at most
    # Determined: the reason goes with the answer, and so does what is owed.
    determine(world, "usa", DATA, "USA", "us-itar-126-7", "b3", reason="Not built for any row: plain bathymetry")
    asked = ask(world, DATA)
    assert asked.answer == "permit"
    (judged,) = [f for f in finding(asked, "law.USA/us-itar-126-7/b3").facts if f.name.startswith("determined.")]
    assert judged.why == "usa: Not built for any row: plain bathymetry"
    who = someone(world)
    question = Question(to=who.recipient, item=DATA, version=1, purpose="evaluation", place="AUS", day=world.time)
    due = {one.id: one for one in owed(usa.register, question, asked)}
    assert due["us-certify"].mark == "22 CFR 126.7 applicable"
    assert "aus/southern-hydro in AUS" in due["us-certify"].text
    assert "Authority: 22 CFR 126.7(a)-(b)." in due["us-dcs"].text
    assert (due["us-records"].years, due["us-eei"].when) == (5, "before")

    # Told in a room: the same rules, the same act, by the other party's word, once.
    token = presentation(world, "ada", "usa")
    dry = releasing.record(usa, Telling(item=DATA, version=1, method="oral", presentation=token, dry_run=True))
    assert (dry["answer"], dry["release"]) == ("permit", None)
    notes = {"responsible": "Lee Winter (invented)", "description": "Talk on array data"}
    told = releasing.record(usa, Telling(item=DATA, version=1, method="oral", presentation=token, notes=notes))
    release = usa.register.releases[told["release"]]
    assert (release.terms.method, release.terms.to, release.terms.person) == ("oral", who.recipient, who.pseudonym)
    assert (release.terms.decision, release.terms.package) == (told["id"], msgspec.UNSET)
    with pytest.raises(Conflict, match="used before"):
        releasing.record(usa, Telling(item=DATA, version=1, method="oral", presentation=token))
    world.sync()
    assert [outcome for party, _, outcome in usa.register.releases[told["release"]].receipts] == ["matches"]
    assert told["release"] in aus.register.releases

    # The record is complete but for what nobody noted, and says who can note it.
    (row,) = records.records(usa)
    assert (row.release, row.itar, row.method_of_transmission, row.eei_itn) == (
        *(told["release"], True, "oral", "none: no hardware"),
    )
    assert (row.responsible_natural_person, row.description) == ("Lee Winter (invented)", "Talk on array data")
    assert (row.transaction_date, row.kept_until) == ("2026-09-21", "2031-09-21")
    assert (row.control_entries, row.authority_citation) == ("XI(d)", "22 CFR 126.7(a)-(b)")
    assert (row.receipts, row.country_of_ultimate_destination) == ("aus matches", "AUS")
    assert row.missing == tuple(
        f"relto release note aus/southern-hydro {name}=…" for name in ("name", "address", "contact")
    )
    records.note(usa, cast.AUS_ORG, {"name": "=Southern Hydro", "address": "Adelaide", "contact": "the registrar"})
    records.note(usa, cast.AUS_ORG, {"name": "Southern Hydro Pty"})
    records.note(usa, told["release"][:10], {"remark": "+1 guest"})
    (row,) = records.records(usa)
    assert (row.end_user_name, row.missing) == ("Southern Hydro Pty", ())
    rows = list(csv.DictReader(io.StringIO(records.as_csv([row]).decode())))
    assert [one["remark"] for one in rows] == ["'+1 guest"]
    assert set(rows[0]) == set(records.HEADER)
    kept = usa.store.query(
        "SELECT value FROM record_notes WHERE subject = $1 AND field = 'name' ORDER BY at", (cast.AUS_ORG,)
    )
    assert [value for (value,) in kept] == ["=Southern Hydro", "Southern Hydro Pty"]

    # What later knowledge refuses is listed, with a draft; what was decided then still replays.
    register = usa.register
    assert {one.result for one in audit(register, usa.register_at) if one.release} == {"full"}
    assert {one.result for one in audit(register, usa.register_at, "now") if one.release} == {"full"}
    (attested,) = [one for one in register.attestations if (one.party, one.terms.claim) == ("aus", "authorised-user")]
    world.act("aus", "revoke", act=attested.act, reason="struck off: it had lapsed before")
    world.sync()
    assert {one.result for one in audit(usa.register, usa.register_at) if one.release} == {"full"}
    (now,) = [one for one in audit(usa.register, usa.register_at, "now") if one.release]
    assert (now.result, now.answer, now.why) == ("differs", "deny", "law.USA is no: NO_AUTHORITY")
    draft = records.notice(usa, now.release, now.why)
    for words in ("DRAFT", "127.12(c)(1)", "by 2026-11-20", "22 CFR 126.7(a)-(b)", "XI(d)", "Lee Winter", "Adelaide",
                  "aus/p-", "127.12(e)", "[to be completed]"):  # fmt: skip
        assert words in draft, words
    world.act("aus", "attest", about=cast.AUS_ORG, claim="authorised-user",
              term=acts.Term(since=cast.day(world.time), until=cast.day(world.time, 365)))  # fmt: skip
    world.sync()
    check(world)


def test_a_british_product_with_us_data_inside_asked_for_in_australia(world):
    """Three findings, and each says its own; all must be yes. A controlled part stays controlled in the whole."""
    gbr = world.nodes["gbr"]
    first = ask(world, PRODUCT)
    laws = {one.rule: one.value for one in first.findings if re.fullmatch("law\\.[A-Z]{3}", one.rule)}
    assert laws == {"law.AUS": Three.YES, "law.GBR": Three.NO, "law.USA": Three.UNKNOWN}
    assert finding(first, "law.AUS/reach").value is Three.NO  # recorded, and no refusal
    assert finding(first, "law.USA/reach").facts[0].value == ("GBR", "USA")  # see-through: 120.11(c)
    # The US wants its party to be an authorised user and its entry judged; the UK asks for its list and for Form 680.
    assert finding(first, "law.GBR/general/f680").value is Three.NO
    us = acts.Term(since=cast.day(world.time), until=cast.day(world.time, 365))
    world.act("gbr", "attest", about=cast.OWNER_ORG, claim="no-broker", term=us)
    determine(world, "gbr", PRODUCT, "USA", "us-itar-126-7", "b3")
    determine(world, "gbr", PRODUCT, "GBR", "gb-ogl-aukus", "not-excluded")
    second = ask(world, PRODUCT)
    laws = {one.rule: one.value for one in second.findings if re.fullmatch("law\\.[A-Z]{3}", one.rule)}
    assert laws == {"law.AUS": Three.YES, "law.GBR": Three.NO, "law.USA": Three.YES}
    approval = {"licence": "f680-1", "jurisdiction": "GBR", "authority": "gb-f680", "holder": cast.OWNER_ORG,
                "recipients": (cast.AUS_ORG,), "items": (PRODUCT,), "term": us,
                "provisos": ("No Sunday work",)}  # fmt: skip
    granted = world.act("gbr", "licence", **approval)
    world.sync()
    third = ask(world, PRODUCT)
    assert third.answer == "permit"
    assert [(one.jurisdiction, one.authority) for one in third.authorities] == [
        ("GBR", "gb-ogl-aukus"),
        ("USA", "us-itar-126-7"),
    ]
    who = someone(world)
    question = Question(to=who.recipient, item=PRODUCT, version=1, purpose="evaluation", place="AUS", day=world.time)
    assert "No Sunday work" in [one.says for one in owed(gbr.register, question, third)]
    # Revoked, the approval is as good as none.
    world.act("gbr", "revoke", act=granted, reason="given by mistake")
    assert ask(world, PRODUCT).answer == "deny"
    # What several release together is not told by one.
    with pytest.raises(Refused, match="released by its owners together"):
        many = item("gbr/duet", cast.OWNER_ORG, origins=("GBR",), entries={}, system="GBR", level="OFFICIAL",
                    owners=("gbr", "usa"))  # fmt: skip
        world.act("gbr", "register", **many | {"release": acts.ReleaseRule(rule="all")})
        releasing.record(gbr, Telling(item="gbr/duet", version=1, method="oral", alias="rowan", purpose="evaluation"))


def licence(world, **more):
    term = acts.Term(since=cast.day(world.time), until=cast.day(world.time, 30))
    fields = {"licence": "siel-9", "jurisdiction": "GBR", "authority": "gb-siel", "holder": cast.OWNER_ORG,
              "recipients": (cast.AUS_ORG,), "items": (KEEL,), "term": term} | more  # fmt: skip
    return world.act("gbr", "licence", **fields)


def test_a_licence_beyond_its_counter_its_day_or_its_currency(world):
    gbr = world.nodes["gbr"]
    # in another currency: neither yes nor no, and it says so
    other = licence(world, value=acts.Money(amount=100, currency="GBP"))
    held = finding(ask(world, KEEL), "law.GBR/gb-siel/held")
    assert held.value is Three.UNKNOWN
    assert "100 GBP" in held.facts[0].why
    world.act("gbr", "revoke", act=other, reason="stated in pounds")
    # one item version, one organisation
    once = licence(world, licence="siel-10", quantity=1, provisos=("For evaluation only",))
    told = releasing.record(
        gbr, Telling(item=KEEL, version=1, method="visual", presentation=presentation(world, "ada", "gbr"))
    )
    assert told["answer"] == "permit"
    assert [one["says"] for one in told["owed"] if "/proviso-" in one["id"]] == ["For evaluation only"]
    assert [(use.licence, use.quantity) for use in gbr.register.releases[told["release"]].terms.uses] == [(once, 1)]
    again = releasing.record(
        gbr, Telling(item=KEEL, version=1, method="visual", presentation=presentation(world, "tom", "gbr"))
    )
    assert [use.quantity for use in gbr.register.releases[again["release"]].terms.uses] == [0]  # drawn once
    # a second item under one quantity: whoever comes second finds it used up
    for name in ("gbr/rudder", "gbr/tiller"):
        world.act("gbr", "register", **item(name, cast.OWNER_ORG, origins=("GBR",), entries={"GBR": ("ML9a",)},
                                            system="GBR", level="OFFICIAL"))  # fmt: skip
    licence(world, licence="siel-11", quantity=1, items=("gbr/rudder", "gbr/tiller"))
    world.sync()
    assert ask(world, "gbr/rudder").answer == ask(world, "gbr/tiller").answer == "permit"
    releasing.record(gbr, Telling(item="gbr/tiller", version=1, method="visual",
                                  presentation=presentation(world, "ada", "gbr")))  # fmt: skip
    used_up = finding(ask(world, "gbr/rudder"), "law.GBR/gb-siel/held")
    assert (used_up.value, used_up.facts[0].why) == (Three.NO, "licence siel-11: its quantity of 1 is used up")
    # its last day, and the day after
    who = someone(world)
    later = [
        decide(gbr.register, Question(to=who.recipient, item=KEEL, version=1, purpose="evaluation", place="AUS",
                                      place_says="party", day=world.time + days * 86_400_000))
        for days in (29, 30)
    ]  # fmt: skip
    values = [finding(one, "law.GBR/gb-siel/held").value for one in later]
    assert values == [Three.YES, Three.NO]
    assert "good for" in finding(later[1], "law.GBR/gb-siel/held").facts[0].why


def test_a_determination_is_revoked_and_dies_with_a_relabel(world):
    first = determine(world, "gbr", KEEL, "GBR", "gb-ogl-aukus", "not-excluded", reason="Not on it")
    rule = "law.GBR/gb-ogl-aukus/not-excluded"
    assert finding(ask(world, KEEL), rule).value is Three.YES
    world.act("gbr", "revoke", act=first, reason="the wrong list was read")
    assert finding(ask(world, KEEL), rule).value is Three.UNKNOWN
    second = determine(world, "gbr", KEEL, "GBR", "gb-ogl-aukus", "not-excluded", reason="The right one")
    assert finding(ask(world, KEEL), rule).facts[0].rests_on == second
    label = Label(levels=(Level(system="GBR", level="OFFICIAL-SENSITIVE"),), rel=OPEN)
    world.act(
        "gbr", "relabel", item=KEEL, version=1, prev=world.register("gbr").item(KEEL).label_act, label=label, reason="r"
    )
    after = finding(ask(world, KEEL), rule)
    assert (after.value, after.facts[0].why) == (
        *(Three.UNKNOWN, "nobody whom the law asks has determined it for the item under its label"),
    )


def test_two_owners_who_judge_one_thing_otherwise_are_named(world):
    """The transferor's officer and the state may both judge who is covered by an agreement; the no of one stands."""
    rule, judged = "law.USA/us-taa/nationals", "determined.us-taa.nationals"

    def fact():
        return next(one for one in finding(ask(world, PRODUCT), rule).facts if one.name == judged)

    yes = determine(world, "gbr", PRODUCT, "USA", "us-taa", "nationals", holds=True, reason="Named in the annex")
    assert (fact().value, fact().why) == (True, "gbr: Named in the annex")
    no = determine(world, "usa", PRODUCT, "USA", "us-taa", "nationals", holds=False, reason="Struck from the annex")
    assert (fact().value, fact().rests_on) == (False, no)
    assert fact().why == f"usa: Struck from the annex; contradicted by gbr ({yes[:8]})"


def test_what_an_officer_may_not_do(world):
    gbr = world.nodes["gbr"]
    wrong = [
        (Telling(item=DATA, version=1, method="oral", alias="rowan", purpose="evaluation"), Refused, "item of `usa`"),
        (Telling(item=KEEL, version=1, method="oral", alias="ada", purpose="evaluation"), NotFound, "not one of the people"),
        (Telling(item=KEEL, version=1, method="oral", alias="rowan", purpose="fun"), Malformed, "no purpose of the charter"),
        (Telling(item=KEEL, version=1, method="oral", alias="rowan", purpose="evaluation", notes={"colour": "red"}),
         Malformed, "is not noted of releases"),
        (Telling(item=KEEL, version=1, method="oral", presentation=presentation(world, "ada", "gbr"), place="JPN"),
         Refused, "for the place `AUS`"),
        (Telling(item=KEEL, version=1, method="oral", presentation=presentation(world, "ada", "gbr", late=600)),
         Refused, "expired"),
        (Telling(item=KEEL, version=1, method="oral", presentation=presentation(world, "ada", "usa")), Refused, "for"),
        (Telling(item=KEEL, version=1, method="oral", presentation="no.such.thing"), Malformed, ""),
    ]  # fmt: skip
    size = gbr.log.head.size
    for asked, kind, words in wrong:
        with pytest.raises(kind) as refusal:
            releasing.record(gbr, asked)
        assert words in refusal.value.message, refusal.value
    assert gbr.log.head.size == size
    with pytest.raises(Malformed, match="not a release to record"):
        releasing.telling_of({"item": KEEL, "version": 1, "method": "key"})
    for subject in ("aus/nobody", "ffffffffffff", "usa/sonar-data"):
        with pytest.raises(NotFound):
            records.note(gbr, subject, {"description": "x"})
    with pytest.raises(Malformed, match="not noted of organisation"):
        records.note(gbr, cast.AUS_ORG, {"itn": "X1"})


def test_law_that_is_edited_unadopted_or_adopted_by_another(world):
    usa = world.nodes["usa"]
    # by the wrong state: it is not even written
    digest = world.nodes["gbr"].put_text(b"pack: us-itar\n")
    with pytest.raises(Refused, match="would have no effect"):
        world.act("gbr", "adopt", jurisdiction="USA", pack=digest, name="us-itar")
    # edited after adoption: the text that was adopted is not the one that is held
    held = dict(usa.register.objects)
    adopted = usa.register.packs["USA"][-1]
    for texts, why in (
        ({**held, adopted.digest: held[adopted.digest] + b"# a word more\n"}, "is not held here, or was altered"),
        ({name: text for name, text in held.items() if name != adopted.digest}, "is not held here, or was altered"),
    ):
        register = acts.fold(usa._entries, "usa", texts, usa.config.pin)
        decision = decide(register, Question(to=someone(world).recipient, item=DATA, version=1, purpose="evaluation",
                                             place="AUS", place_says="party", day=world.time))  # fmt: skip
        found = finding(decision, "law.USA")
        assert (decision.answer, found.value, found.deny_code) == ("undetermined", Three.UNKNOWN, "LAW_NOT_ADOPTED")
        assert why in found.facts[0].why
    # before any adoption
    entries = {
        origin: [e for e in found if not isinstance(e.act, acts.Adopt)] for origin, found in usa._entries.items()
    }
    shortest = {origin: found[: _first_gap(found)] for origin, found in entries.items()}
    register = acts.fold(shortest, "usa", held, usa.config.pin)
    assert register.pack_on("USA", "2026-09-21") is None
    assert law.absent("USA", "x").findings[0].needs[0].kind == "adopt law"


def _first_gap(entries):
    """Up to where the indices run on: a ledger is folded as a prefix."""
    return next((n for n, entry in enumerate(entries) if entry.index != n), len(entries))


def test_a_corrected_text_shows_what_it_would_have_refused(world):
    """A state adopts a corrected text: old answers replay under the old one, and today's knowledge lists what it bars."""
    usa = world.nodes["usa"]
    before = {one.release: one.result for one in audit(usa.register, usa.register_at, "now") if one.release}
    mine = [name for name in before if usa.register.releases[name].party == "usa"]
    assert [before[name] for name in mine] == ["full"]
    text = usa.register.objects[usa.register.packs["USA"][-1].digest]
    b1 = b"      - {fact: place.access, in: [AUS, GBR, USA]}"
    assert text.count(b1) == 1
    corrected = usa.put_text(text.replace(b1, b"      - {fact: place.access, in: [GBR, USA]}"))
    world.act("usa", "adopt", jurisdiction="USA", pack=corrected, name="us-itar")
    world.sync()
    then = {one.release: one for one in audit(usa.register, usa.register_at)}
    now = {one.release: one for one in audit(usa.register, usa.register_at, "now")}
    assert [(then[name].result, now[name].result, now[name].answer) for name in mine] == [("full", "differs", "deny")]
    assert records.under_us_law(usa, mine[0])


def test_no_program_deletes_a_record_or_a_release():
    root = Path(records.__file__).parents[1]
    for path in (path for path in root.rglob("*.py") if "demo" not in path.parts):  # which tampers, to be caught
        text = path.read_text()
        for found in re.findall(r"(?i)\b(?:delete\s+from|update)\s+(\w+)", text):
            assert found not in {"record_notes", "evidence", "leaves", "openings"}, path
