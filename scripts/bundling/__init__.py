"""How the bundled models are made: what there is, their texts, figures and cards."""
