"""Moved soon."""
from fer_tune.search.runner import CellSearch as CellSearch
