"""Encoders, decoders and constraints."""
