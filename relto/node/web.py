"""Pages for people, each also as JSON. (Wired to the room `pages`.)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute

if TYPE_CHECKING:
    from relto.node.app import Service


def routes(service: Service) -> list[BaseRoute]:
    return []
