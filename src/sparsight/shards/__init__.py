"""Rows on disk: raw files with a JSON index, written by many processes, read without growing into memory."""

from sparsight.shards.index import Column, Folder, Index, open_folder
from sparsight.shards.reading import Shards
from sparsight.shards.writing import ShardWriter

__all__ = ["Column", "Folder", "Index", "ShardWriter", "Shards", "open_folder"]
