"""What is measured: streaming, in float64, on held-out samples."""
