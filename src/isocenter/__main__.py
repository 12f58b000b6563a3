"""``python -m isocenter TOOL ...``, the same as ``isocenter TOOL ...``."""

from __future__ import annotations

import sys

from isocenter.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
