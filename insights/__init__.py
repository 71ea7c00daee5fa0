"""Figures and health: what the rows of the layers below add up to."""
