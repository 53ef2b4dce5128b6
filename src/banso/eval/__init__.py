"""Evaluation of accompaniments and codecs (lab)."""
