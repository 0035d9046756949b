"""The tests' own modules (`world`, `reference`) are importable from everywhere below."""

import sys
from pathlib import Path

from hypothesis import settings

# Time is measured in `bench/`; on a busy machine a deadline fails what is right.
settings.register_profile("relto", deadline=None)
settings.load_profile("relto")

sys.path.insert(0, str(Path(__file__).parent))
