"""The contract of a dataset: which files belong to it, how they are read and what a valid row is."""
