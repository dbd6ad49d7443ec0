"""Moved soon."""
from fer_tune.search.runner import earlier_values as earlier_values
