"""`python -m relto`: the command line."""

import sys

from relto.cli import run

sys.exit(run())
