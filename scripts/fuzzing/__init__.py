"""The parts of the campaigns: cases, the process and the limits of each, and how they are judged."""
