"""Local pages in a browser: votes on photos, and their scores. One file an idea."""
