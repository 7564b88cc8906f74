"""How does compiled code ask for the time? By a name that never changes: then it is not looked up at each call.

mypyc keeps a ``Final`` in a C variable; whatever else a module imports is found in a dictionary each time. A call asks a dozen
times.
"""

from __future__ import annotations

import time
from typing import Final

monotonic: Final = time.monotonic
"""Seconds that never run backwards."""
