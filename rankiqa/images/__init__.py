"""Reading images, and what is cut out of them: uint8 H×W×3 RGB."""
