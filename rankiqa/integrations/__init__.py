"""rankiqa in other programs: ONNX files and torchmetrics. Each needs a package of its own (an extra of setup.cfg)."""
