"""From a network and an image to a score, a map or a loss."""
