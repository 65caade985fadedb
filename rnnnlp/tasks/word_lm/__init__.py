"""Language models of words in both directions: language-model pretraining for classifiers."""
