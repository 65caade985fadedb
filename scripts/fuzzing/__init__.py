"""Hostile text and damaged files for scripts/fuzz_text.py, scripts/fuzz_atheris.py and scripts/damage_campaign.py."""
