"""Rows on disk, in raw files with a JSON index, written by many processes and mapped into memory."""
