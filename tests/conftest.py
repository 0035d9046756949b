"""The tests' own modules (`world`, `reference`) are importable from everywhere below."""

import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Time is measured in `bench/`; on a busy machine a deadline fails what is right.
settings.register_profile("relto", deadline=None)
settings.load_profile("relto")

sys.path.insert(0, str(Path(__file__).parent))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What shares a module's fixture stays on one worker and in order: stories are told there, and worlds made once."""
    for item in items:
        shared = item._fixtureinfo.name2fixturedefs.values() if hasattr(item, "_fixtureinfo") else ()
        if not item.get_closest_marker("xdist_group") and any(one[-1].scope == "module" for one in shared if one):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
