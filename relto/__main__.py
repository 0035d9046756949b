"""`python -m relto`: the command line."""

import sys

from relto.cli import start

sys.exit(start())
