"""Parameters and the parts that models are made of: each forward with its backward below it.

`forward` returns its output and a tape, which is what its backward needs. `backward` takes the gradient of the output
and that tape, adds the gradients of the parameters into them, and returns the gradient of the input.
A layer drops out only when it is given a random generator: `rng=None` is evaluation.
"""
