"""The stand-in, with secrets that can be recognised: run as ``python -m harvester.standin`` is."""

from __future__ import annotations

import sys

from marks import make_recognisable

if __name__ == "__main__":
    make_recognisable()
    from harvester.standin.__main__ import main

    sys.exit(main())
