"""Trained models for other programs: ONNX graphs, and pages that run them in a browser."""
