"""Hostile text for scripts/fuzz_text.py and scripts/fuzz_atheris.py: how it is made, and what is done with it.

scripts/damage_campaign.py shares the limits and options of cases.
"""
