"""Images with human scores, in the layouts in which they are distributed, and how they are divided."""
