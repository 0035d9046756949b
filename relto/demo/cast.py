"""Who and what the story is about.

All persons, organisations and acts here are invented; the parties' names stand for the real states' roles in the
charter and say nothing about what those states do.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from msgspec import Struct

from relto import acts
from relto.label import Label, Level

PARTIES = {
    "usa": "United States",
    "gbr": "United Kingdom",
    "aus": "Australia",
    "jpn": "Japan",
}
MEMBERS = ("usa", "gbr", "aus")
OWNER_ORG, AUS_ORG, USA_ORG, JPN_ORG = "gbr/tidewater", "aus/southern-hydro", "usa/harbor-systems", "jpn/kaiyo-robotics"
PROJECT, CLOSED_PROJECT, AREA = "maritime-autonomy", "naval-nuclear-propulsion", "undersea"
ITEM_A, ITEM_B, ITEM_C, ITEM_NONE = "gbr/array-processing", "gbr/test-protocol", "gbr/pump-trials", "gbr/no-such-item"
ITEM_D = "usa/range-schedule"
ENGAGEMENT = "jpn-maritime"


class Someone(Struct, frozen=True, kw_only=True):
    alias: str
    name: str
    party: str
    organisation: str
    nationality: str
    clearance: tuple[str, str]

    def facts(self, until: str) -> dict[str, Any]:
        """The recipient's class as the own party states it."""
        return {
            "party": self.party,
            "organisation": self.organisation,
            "employment": "regular",
            "nationalities": [self.nationality],
            "clearance": {"system": self.clearance[0], "level": self.clearance[1], "until": until},
            "says": {"clearance": "party", "employment": "party", "nationalities": "party"},
        }


PEOPLE = (
    Someone(
        alias="rowan",
        name="Rowan Ashcombe (invented)",
        party="gbr",
        organisation=OWNER_ORG,
        nationality="GBR",
        clearance=("GBR", "SC"),
    ),
    Someone(
        alias="ada",
        name="Ada Marlowe (invented)",
        party="aus",
        organisation=AUS_ORG,
        nationality="AUS",
        clearance=("AUS", "NV1"),
    ),
    Someone(
        alias="tom",
        name="Tom Birrell (invented)",
        party="aus",
        organisation=AUS_ORG,
        nationality="AUS",
        clearance=("AUS", "NV1"),
    ),
    Someone(
        alias="morgan",
        name="Morgan Reyes (invented)",
        party="usa",
        organisation=USA_ORG,
        nationality="USA",
        clearance=("USA", "Secret"),
    ),
    Someone(
        alias="hana",
        name="Hana Ishida (invented)",
        party="jpn",
        organisation=JPN_ORG,
        nationality="JPN",
        clearance=("JPN", "Gokuhi"),
    ),
    Someone(
        alias="kenji",
        name="Kenji Morita (invented)",
        party="jpn",
        organisation=JPN_ORG,
        nationality="JPN",
        clearance=("JPN", "Gokuhi"),
    ),
    Someone(
        alias="yui",
        name="Yui Okabe (invented)",
        party="jpn",
        organisation=JPN_ORG,
        nationality="JPN",
        clearance=("JPN", "Gokuhi"),
    ),
)


def day(now: int, later: int = 0) -> str:
    """A day some days from a time in ms: terms of the story are relative to when it is told."""
    return (dt.datetime.fromtimestamp(now / 1000, dt.UTC).date() + dt.timedelta(days=later)).isoformat()


def label(level: str, *rel: str) -> Label:
    return Label(levels=(Level(system="GBR", level=level),), rel=tuple(sorted(rel)))


def items(now: int, opaque: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Fields of the three register acts. opaque: item id -> 32 hex digits."""
    common = {
        "version": 1,
        "organisation": OWNER_ORG,
        "owners": ("gbr",),
        "release": acts.ReleaseRule(rule="one"),
        "nature": "technical_data",
        "origins": ("GBR",),
        "flags": (),
    }
    return {
        ITEM_A: {
            **common,
            "item": ITEM_A,
            "opaque": opaque[ITEM_A],
            "title": "Array processing notes",
            "project": PROJECT,
            "areas": (AREA,),
            "label": label("OFFICIAL-SENSITIVE", "AUS", "GBR", "USA"),
            "entries": {"AUS": (), "GBR": ("ML22",), "USA": ()},
        },
        ITEM_B: {
            **common,
            "item": ITEM_B,
            "opaque": opaque[ITEM_B],
            "title": "Sea trial protocol",
            "project": PROJECT,
            "areas": (AREA,),
            "label": label("OFFICIAL", "AUS", "GBR", "JPN", "USA"),
            "entries": {"AUS": (), "GBR": (), "USA": ()},
        },
        ITEM_C: {
            **common,
            "item": ITEM_C,
            "opaque": opaque[ITEM_C],
            "title": "Pump trials",
            "project": CLOSED_PROJECT,
            "areas": (),
            "label": label("SECRET", "AUS", "GBR", "USA"),
            "entries": {"AUS": (), "GBR": ("ML22",), "USA": ()},
        },
    }


def item_d(opaque: str) -> dict[str, Any]:
    """An American item that no list names, so that a withdrawal of the United States has something to stop."""
    return {
        "item": ITEM_D,
        "version": 1,
        "opaque": opaque,
        "title": "Range schedule",
        "organisation": USA_ORG,
        "owners": ("usa",),
        "release": acts.ReleaseRule(rule="one"),
        "nature": "technical_data",
        "origins": ("USA",),
        "flags": (),
        "project": PROJECT,
        "areas": (AREA,),
        "label": Label(levels=(Level(system="USA", level="UNCLASSIFIED"),), rel=("AUS", "GBR", "USA")),
        "entries": {"AUS": (), "GBR": (), "USA": ()},
    }


def determination_d(on: str) -> dict[str, Any]:
    return {
        "item": ITEM_D,
        "version": 1,
        "on": on,
        "jurisdiction": "USA",
        "authority": "us-not-controlled",
        "condition": "judged",
        "holds": True,
        "reason": "Dates and places of trials: no paragraph of the USML describes them",
    }


def attestations(party: str, now: int) -> list[dict[str, Any]]:
    """What each party assures about its own organisation, for a year from now."""
    term = acts.Term(since=day(now), until=day(now, 365))
    claims = {
        "gbr": (OWNER_ORG, ("organisation", "authorised-user", "eligible", "ogl-registration")),
        "aus": (AUS_ORG, ("organisation", "authorised-user", "eligible")),
        "usa": (USA_ORG, ("organisation", "ddtc-registration", "eligible")),
        "jpn": (JPN_ORG, ("organisation",)),
    }
    about, kinds = claims[party]
    return [{"about": about, "claim": claim, "term": term} for claim in kinds]


def determination_a(on: str) -> dict[str, Any]:
    return {
        "item": ITEM_A,
        "version": 1,
        "on": on,
        "jurisdiction": "GBR",
        "authority": "gb-ogl-aukus",
        "condition": "not-excluded",
        "holds": True,
        "reason": "Read against the licence's list: passive processing of own measurements is not on it",
    }


def determination_b(on: str) -> dict[str, Any]:
    return {
        "item": ITEM_B,
        "version": 1,
        "on": on,
        "jurisdiction": "GBR",
        "authority": "gb-not-controlled",
        "condition": "judged",
        "holds": True,
        "reason": "A protocol for booking a range: no entry of schedule 2 or 3 describes it",
    }


def engagement_fields(now: int) -> dict[str, Any]:
    return {
        "party": "jpn",
        "project": PROJECT,
        "role": "participant",
        "areas": (AREA,),
        "ceiling": (Level(system="GBR", level="OFFICIAL-SENSITIVE"),),
        "term": acts.Term(since=day(now), until=day(now, 365)),
        "conditions": ("No onward transfer",),
    }


def licence(now: int) -> dict[str, Any]:
    return {
        "licence": "siel-0001",
        "jurisdiction": "GBR",
        "authority": "gb-siel",
        "holder": OWNER_ORG,
        "recipients": (JPN_ORG,),
        "items": (ITEM_A,),
        "term": acts.Term(since=day(now), until=day(now, 180)),
        "quantity": 1,
        "provisos": ("For evaluation only",),
    }
