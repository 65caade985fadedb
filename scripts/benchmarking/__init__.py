"""The parts of `scripts/benchmark.py`: what is measured, the two sides, and the processes in which they run."""
