"""Character language models: train on any text, generate text."""
