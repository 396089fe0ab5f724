"""`python -m machinable`: the command line, also where no `machinable` is on the path."""

from __future__ import annotations

import sys

from machinable.cli import main

if __name__ == "__main__":
    sys.exit(main())
