"""A task that only the tests know: the next letter of a text, guessed from the bag of letters before it."""
