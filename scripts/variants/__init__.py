"""Recurrent layers that were tried and are not part of the library, for `scripts/ablation.py`."""
