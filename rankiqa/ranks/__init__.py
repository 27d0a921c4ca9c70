"""Ranked images: photos at rising levels of distortion, on disk or made as they are asked for."""
