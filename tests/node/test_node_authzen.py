"""AuthZEN at a node: the answers of `relto may`, `who` and `what`, and what a caller must not be able to do."""

from __future__ import annotations

import hashlib
import json
import threading

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from world import World

from relto.acts import RecipientClass
from relto.demo import cast
from relto.errors import Malformed
from relto.node import authzen, views
from relto.node.asking import question, recipient, sighted
from relto.node.config import Config
from relto.node.people import add_person, publish_roster
from relto.release import decide, heads, what, who

KEY = "a key of the ministry's portal"
ADA, ITEM = "ada", {"type": "item", "id": cast.ITEM_A}
PARTIES = ("gbr", "usa", "aus")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("authzen"))
    for party in PARTIES:
        made.start(party, cast.PARTIES[party])
    made.found(*PARTIES)
    made.adopt_laws()
    for one in cast.PEOPLE:
        if one.party in PARTIES:
            facts = msgspec.convert(one.facts(cast.day(made.time, 365)), RecipientClass)
            add_person(made.nodes[one.party], one.alias, one.name, "", facts, one.party.upper())
    for party in PARTIES:
        for fields in cast.attestations(party, made.time):
            made.act(party, "attest", **fields)
        publish_roster(made.nodes[party])
    opaque = {item: made.random(16).hex() for item in (cast.ITEM_A, cast.ITEM_B, cast.ITEM_C)}
    for fields in cast.items(made.time, opaque).values():
        made.act("gbr", "register", **fields)
    label_act = made.register("gbr").item(cast.ITEM_A).label_act
    made.act("gbr", "determine", **cast.determination_a(label_act))
    made.sync()
    made.time += 3_600_000
    return made


@pytest.fixture(scope="module")
def node(world):
    found = world.nodes["gbr"]
    found.save_config(authzen_keys=(hashlib.sha256(KEY.encode()).hexdigest(),))
    return found


@pytest.fixture(scope="module")
def client(node):
    headers = {"authorization": f"Bearer {KEY}", "host": "evil.example"}
    return TestClient(Starlette(routes=authzen.of_node(node).routes()), headers=headers)


@pytest.fixture(scope="module")
def ada(node):
    """The class that Australia declares for its engineer."""
    declared = [row.to for row in who(node.register, cast.ITEM_A, node.clock()) if row.to.recipient.party == "aus"]
    assert declared
    return {"type": "recipient", "id": f"{declared[0].recipient.organisation}#{declared[0].id}"}


def ask(client, path, **body):
    answer = client.post(f"/access/v1/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_decision_is_that_of_relto_may(client, node, ada):
    body = {"subject": ada, "action": {"name": "key"}, "resource": ITEM}
    plain = ask(client, "evaluation", **body)
    assert plain == {"decision": True, "context": {"relto": {"answer": "permit"}}}
    full = ask(client, "evaluation", **body, context={"relto": {"why": True, "purpose": "evaluation"}})
    register, day = sighted(node)
    asked = question(node, register, day, ada["id"], cast.ITEM_A, "evaluation")
    view = json.loads(msgspec.json.encode(views.decision_view(register, asked, decide(register, asked))))
    same = {"question"}  # its day is the moment of asking
    assert {k: v for k, v in full["context"]["relto"].items() if k not in same} == {
        k: v for k, v in view.items() if k not in same
    }


def test_undetermined_is_no_and_says_that_it_is_undetermined(client, ada):
    view = ask(
        client,
        "evaluation",
        subject=ada,
        action={"name": "key"},
        resource={"type": "item", "id": cast.ITEM_B},
        context={"relto": {"why": True}},
    )
    assert view["decision"] is False
    assert view["context"]["relto"]["answer"] == "undetermined"
    assert any(change["from"] == "gbr" for change in view["context"]["relto"]["changes"])


def test_searches_are_relto_who_and_what(client, node, ada):
    rows = who(node.register, cast.ITEM_A, node.clock())
    found = ask(client, "search/subject", subject={"type": "recipient"}, action={"name": "key"}, resource=ITEM)
    assert found["results"] == [
        {"type": "recipient", "id": f"{row.to.recipient.organisation}#{row.to.id}"} for row in rows
    ]
    listed = found["context"]["relto"]
    assert (listed["count"], listed["complete"], listed["people"]) == (len(rows), True, heads(rows))
    to, _, _ = recipient(node, node.register, ada["id"])
    rows = what(node.register, to, node.clock())
    found = ask(client, "search/resource", subject=ada, action={"name": "key"}, resource={"type": "item"})
    assert found["results"] == [{"type": "item", "id": f"{row.item}@{row.version}"} for row in rows]
    for one in found["results"]:  # what is listed is permitted when it is asked for
        assert ask(client, "evaluation", subject=ada, action={"name": "key"}, resource=one)["decision"] is True
    methods = ask(client, "search/action", subject=ada, resource=ITEM)["results"]
    for name in authzen.METHODS:
        one = ask(client, "evaluation", subject=ada, action={"name": name}, resource=ITEM)
        assert one["decision"] is ({"name": name} in methods)
        listed = ask(client, "search/resource", subject=ada, action={"name": name}, resource={"type": "item"})
        assert ({"type": "item", "id": f"{cast.ITEM_A}@1"} in listed["results"]) is one["decision"]


def test_what_a_caller_claims_is_named_and_not_used(client, ada):
    claimed = {**ada, "properties": {"nationalities": ["GBR"], "clearance": "DV"}}
    denied = {"type": "recipient", "id": "usa"}
    for subject in (claimed, {**denied, "properties": {"party": "gbr"}}):
        view = ask(client, "evaluation", subject=subject, action={"name": "key"}, resource=ITEM)
        plain = {key: value for key, value in subject.items() if key != "properties"}
        assert (
            view["decision"]
            == ask(client, "evaluation", subject=plain, action={"name": "key"}, resource=ITEM)["decision"]
        )
        assert view["context"]["relto"]["ignored"] == sorted(
            f"subject.properties.{key}" for key in subject["properties"]
        )


@pytest.mark.parametrize(
    "change",
    [
        {"subject": {"type": "user", "id": "ada"}},
        {"subject": {"type": "recipient", "id": "nobody-here"}},
        {"action": {"name": "KEY"}},
        {"resource": {"type": "item", "id": "gbr/no-such-thing"}},
        {"resource": {"type": "Item", "id": cast.ITEM_A}},
        {"resource": {"type": "item", "id": cast.ITEM_A + "@7"}},
    ],
)
def test_what_is_not_known_is_no_and_nothing_found(client, ada, change):
    body = {"subject": ada, "action": {"name": "key"}, "resource": ITEM, **change}
    view = ask(client, "evaluation", **body)
    assert view["decision"] is False
    assert view["context"]["relto"]["error"]["code"] == "not-found"
    found = ask(client, "search/subject", **{**body, "subject": {"type": body["subject"]["type"]}})
    listed = ask(client, "search/resource", **{**body, "resource": {"type": body["resource"]["type"]}})
    assert [] in (found["results"], listed["results"])


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ({"relto": {"at": "yesterday"}}, "is not a date"),
        ({"relto": {"at": "1999-01-01"}}, "had acknowledged nothing"),
        ({"relto": {"purpose": "fun"}}, "is no purpose"),
        ({"relto": {"place": "the sea"}}, "is not a country"),
        ({"relto": {"known": "later"}}, "`known` is"),
        ({"relto": {"because": "x"}}, "unknown field"),
        ({"relto": []}, "expected `object`"),
        ("now", "an object is due"),
    ],
)
def test_what_cannot_be_read_in_the_context_is_an_error(client, ada, context, words):
    answer = client.post(
        "/access/v1/evaluation",
        json={"subject": ada, "action": {"name": "key"}, "resource": ITEM, "context": context},
    )
    assert answer.status_code in (400, 404)
    assert words in answer.text


def test_others_words_in_the_context_change_nothing(client, ada):
    body = {"subject": ada, "action": {"name": "key"}, "resource": ITEM}
    odd = ask(client, "evaluation", **body, context={"time": "1985-10-26T01:22-07:00", "at": "1999-01-01"})
    assert odd == ask(client, "evaluation", **body)


def test_a_batch_and_its_faults(client, ada):
    key, oral = {"name": "key"}, {"name": "no such"}
    items = [{"action": key}, {"action": oral}, {"action": key, "context": {"relto": {"purpose": "fun"}}}, 7]
    found = ask(client, "evaluations", subject=ada, resource=ITEM, evaluations=items)["evaluations"]
    assert [one["decision"] for one in found] == [True, False, False, False]
    assert [one["context"].get("error", {}).get("status") for one in found] == [None, None, 400, 400]
    short = ask(
        client, "evaluations", subject=ada, resource=ITEM, evaluations=items,
        options={"evaluations_semantic": "permit_on_first_permit"},
    )  # fmt: skip
    assert short["evaluations"] == found[:1]
    many = client.post("/access/v1/evaluations", json={"evaluations": [{}] * (authzen.EVALUATIONS_MAX + 1)})
    assert (many.status_code, "at most" in many.text) == (400, True)


def test_pages_are_whole_and_belong_to_their_question(client, monkeypatch):
    body = {"subject": {"type": "recipient"}, "action": {"name": "key"}, "resource": ITEM}
    every = ask(client, "search/subject", **body)["results"]
    assert len(every) > 1
    found, page = [], {"limit": 1}
    while True:
        view = ask(client, "search/subject", **body, page=page)
        assert view["page"]["total"] == len(every)
        assert view["page"]["count"] == len(view["results"]) == 1
        found += view["results"]
        if not view["page"]["next_token"]:
            break
        page = {"token": view["page"]["next_token"], **({"limit": 1} if len(found) % 2 else {})}
    assert found == every
    token = ask(client, "search/subject", **body, page={"limit": 1})["page"]["next_token"]
    for changed in (
        {**body, "resource": {"type": "item", "id": cast.ITEM_B}, "page": {"token": token}},
        {**body, "page": {"token": token, "limit": 2}},
        {**body, "page": {"token": token + "A"}},
        {**body, "page": {"token": "x" * 5000}},
        {**body, "page": {"limit": -1}},
        {**body, "page": {"limit": True}},
    ):
        assert client.post("/access/v1/search/subject", json=changed).status_code == 400
    none = ask(client, "search/subject", **body, page={"limit": 0})
    assert (none["results"], none["page"]["count"], bool(none["page"]["next_token"])) == ([], 0, True)
    monkeypatch.setattr(authzen, "PAGE_MAX", 1)
    cut = ask(client, "search/subject", **body)
    assert (len(cut["results"]), bool(cut["page"]["next_token"])) == (1, True)


def test_a_page_goes_on_after_the_register_has_changed(client, world):
    body = {"subject": {"type": "recipient"}, "action": {"name": "key"}, "resource": ITEM}
    every = ask(client, "search/subject", **body)["results"]
    first = ask(client, "search/subject", **body, page={"limit": 1})
    world.act("gbr", "attest", **cast.attestations("gbr", world.time)[0])
    again = ask(client, "search/subject", **body, page={"token": first["page"]["next_token"]})
    assert first["results"] + again["results"] == every[:2]
    assert again["context"]["relto"]["changed"] is True
    assert "changed" not in first["context"]["relto"]


def test_no_key_no_answer_and_the_refusal_tells_nothing(node, client, ada):
    body = {"subject": ada, "action": {"name": "key"}, "resource": ITEM}
    bare = TestClient(Starlette(routes=authzen.of_node(node).routes()))
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {KEY}"}, {"authorization": KEY}):
        answers = {bare.post(f"/access/v1/{path}", json=one, headers=headers).text for path in (
            "evaluation", "evaluations", "search/subject") for one in (body, {})}  # fmt: skip
        assert answers == {"a key is asked for"}
    shut = TestClient(Starlette(routes=authzen.Endpoints(authzen.Released(node), "http://x.example").routes()))
    assert shut.post("/access/v1/evaluation", json=body, headers={"authorization": "Bearer "}).status_code == 401
    open_ = authzen.Endpoints(authzen.Released(node), "http://x.example", anybody=True)
    assert TestClient(Starlette(routes=open_.routes())).post("/access/v1/evaluation", json=body).status_code == 200


def test_metadata_comes_from_the_settings_and_not_from_the_host(client, node):
    view = client.get("/.well-known/authzen-configuration").json()
    assert view["policy_decision_point"] == node.config.url == "http://gbr.example"
    assert all(value.startswith(node.config.url) for value in view.values())
    assert len(view) == 6


def test_a_field_twice_and_a_bomb_are_refused(client):
    head = {"content-type": "application/json"}
    for text in (
        '{"subject":{"type":"recipient","id":"a","id":"b"},"action":{"name":"key"},"resource":{"type":"item","id":"x"}}',
        "[" * 100_000,
        '{"a":' * 50_000 + "1" + "}" * 50_000,
        "\ud800".encode("utf-16-le", "surrogatepass").decode("latin-1"),
    ):
        assert client.post("/access/v1/evaluation", content=text, headers=head).status_code == 400
    big = b'{"subject":"' + b"x" * authzen.REQUEST_BYTES_MAX + b'"}'
    assert client.post("/access/v1/evaluation", content=big, headers=head).status_code == 400


def test_many_callers_at_once_get_one_answer(client, ada):
    body = {"subject": ada, "action": {"name": "key"}, "resource": ITEM, "context": {"relto": {"why": True}}}
    ids: list[str] = []
    calls = [
        threading.Thread(target=lambda: ids.append(ask(client, "evaluation", **body)["context"]["relto"]["id"]))
        for _ in range(8)
    ]
    for one in calls:
        one.start()
    for one in calls:
        one.join()
    assert (len(ids), len(set(ids))) == (8, 1)


def test_a_node_names_so_many_keys_and_no_more(node):
    node.save_config(authzen_keys=tuple(f"{n:064x}" for n in range(authzen.KEYS_MAX + 1)))
    try:
        with pytest.raises(Malformed, match="at most"):
            authzen.of_node(node)
    finally:
        node.save_config(authzen_keys=(hashlib.sha256(KEY.encode()).hexdigest(),))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**msgspec.structs.asdict(node.config), "authzen_keys": ("plain",)}, Config)
