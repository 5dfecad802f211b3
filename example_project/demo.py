#!/usr/bin/env python
"""Prove the promise on real input: repeat, race, cut and kill the example shop, then count.

    python example_project/demo.py [--database-url postgres://postgres@127.0.0.1:5432/shop] [--unguarded]

Ends with a table of what was promised and what was counted; exit status 1 if they differ.
"""

import sys

from proof.main import main

if __name__ == "__main__":
    sys.exit(main())
