"""The faults of cameras and of what processes their photos, each a physical model with its unit."""
