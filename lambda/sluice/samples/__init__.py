"""Files of random rows that hold to a dataset's contract, made from its Table Schema."""
