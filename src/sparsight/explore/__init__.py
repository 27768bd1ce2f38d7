"""The explorer: a local page that shows every feature, and lets one play with it."""
