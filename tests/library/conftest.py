"""Hypothesis draws the same cases in every run, and no case fails for being slow."""

from hypothesis import settings

settings.register_profile("attnbook", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("attnbook")

# Runs in an environment of its own: see test_masks_elsewhere.py.
collect_ignore = ["masks_elsewhere.py"]
