"""Judges: raw items in, scores between real data and trivial models out."""
