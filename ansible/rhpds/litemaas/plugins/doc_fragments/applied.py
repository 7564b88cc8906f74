"""What do the pages of modules that change objects of a cluster say about trying it?"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode: {support: full, description: "Asks the cluster what would change (dry run on the server)."}
  diff_mode: {support: full, description: "Names the objects, never their content."}
"""
