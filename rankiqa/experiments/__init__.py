"""The three experiments of the paper, each a function from data to files: a figure, a table and its numbers."""
