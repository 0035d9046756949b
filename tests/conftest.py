"""The tests' own modules (`world`, `reference`) are importable from everywhere below."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
