"""Readable float64 NumPy references of every op, forward and backward, from their definitions.

They trust nothing of cnnfast. Arguments are as in ``cnnfast.ops``; results are float64.
"""
