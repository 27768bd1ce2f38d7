"""What turns a knob during training until a measure is where it should be."""
