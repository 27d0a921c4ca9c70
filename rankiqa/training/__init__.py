"""Training: one loop, and a file for each stage that says its batches, its loss and its validation."""
