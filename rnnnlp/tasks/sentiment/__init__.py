"""Classifiers of texts: networks, ensembles of them, explanations."""
