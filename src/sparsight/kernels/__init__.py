"""Products with codes of which few are kept."""
