"""Are the tests of the API's contract wanted? They need ``requirements/api.txt`` and up to an hour: ``make test-api``."""

from __future__ import annotations

import os

if not os.environ.get("LITEMAAS_API_TESTS"):
    collect_ignore_glob = ["test_*.py"]
