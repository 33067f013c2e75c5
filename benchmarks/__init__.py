"""Whole-network comparisons with peers, and the accuracy that training must reach."""
