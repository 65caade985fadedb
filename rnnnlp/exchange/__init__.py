"""Models to and from other programs: ONNX graphs, pages that run them in a browser, modules of PyTorch."""
