"""Process-wide switches that plans made from now on follow; set through cnnfast.runtime."""

strict_math: bool = False
deterministic: bool = False
