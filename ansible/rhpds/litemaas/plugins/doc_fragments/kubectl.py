"""What do the pages of all modules say about kubectl?"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements: [kubectl or oc]
options:
  kubeconfig:
    description: Which configuration kubectl uses.
    type: path
  context:
    description: Which context of it.
    type: str
  kubectl:
    description: Path of kubectl or oc.
    type: path
    default: kubectl
"""
