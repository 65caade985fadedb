"""The variants of `scripts/ablation.py`, and recurrent layers for them that the library does not have."""
