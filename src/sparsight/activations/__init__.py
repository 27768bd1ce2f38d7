"""Pre-activations to codes; one file each."""
