collect_ignore = ["make_nima.py"]  # a script for an environment of its own, which has Keras
