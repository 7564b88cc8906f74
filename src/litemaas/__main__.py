"""How is the command line started without its script? ``python -m litemaas``."""

from __future__ import annotations

from litemaas.cli.main import app

if __name__ == "__main__":
    app(prog_name="litemaas")
