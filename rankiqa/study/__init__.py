"""A study of one's own: people's votes on photos, which pair to ask for next, and the scale that votes make."""
