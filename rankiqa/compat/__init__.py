"""What carries the originals along: their list files, their weights, their interface."""
