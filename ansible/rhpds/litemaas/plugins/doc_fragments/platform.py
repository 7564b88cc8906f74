"""What do the pages of all modules say about the connection?"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  url:
    description: Address of the control plane, the host that serves C(/api/v1).
    type: str
    required: true
  credential:
    description: The master key.
    type: str
    required: true
    aliases: [master_key]
  timeout:
    description: Seconds that each try may take.
    type: int
    default: 30
  retries:
    description: Tries after the first one, when no answer or a 408, 425, 429, 500, 502, 503 or 504 came.
    type: int
    default: 3
  retry_delay:
    description: Seconds before the second try; doubled each time, at most 60. The server's Retry-After wins.
    type: float
    default: 5.0
  validate_certs:
    description: Whether the server's certificate is checked.
    type: bool
    default: true
  ca_path:
    description: File with the authorities to trust instead of the system's.
    type: path
"""
