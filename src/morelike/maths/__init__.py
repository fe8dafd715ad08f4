"""Likelihoods, paths, solvers, distances: pure functions of tensors and arrays."""
