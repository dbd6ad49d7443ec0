"""Moved soon."""
from fer_tune.search.runner import ray_session as ray_session
