"""The parts of `scripts/benchmark.py`: the cases, the two sides, and the processes in which they run."""
