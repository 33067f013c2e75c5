"""How tests compare: |a - b| <= atol + rtol |b|, and nothing that is not a number passes."""

import numpy as np

#: Relative L2 error of a kernel against the float64 oracle.
TOLERANCE = {"float32": 5e-6, "float64": 1e-12}


def assert_close(actual, expected, rtol=1e-5, atol=1e-7, dtype=None, what=""):
    """Every value close, of the right shape (and dtype, where given), none NaN or infinite
    where the expected one is not."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    prefix = f"{what}: " if what else ""
    assert actual.shape == expected.shape, (
        f"{prefix}shape {actual.shape}, expected {expected.shape}"
    )
    if dtype is not None:
        assert actual.dtype == np.dtype(dtype), f"{prefix}dtype {actual.dtype}, expected {dtype}"
    a, b = actual.astype(np.float64), expected.astype(np.float64)
    assert not np.isnan(b).any(), f"{prefix}the expected values hold NaN"
    with np.errstate(invalid="ignore"):
        excess = np.abs(a - b) - (atol + rtol * np.abs(b))
        bad = ~((a == b) | (excess <= 0))
    if bad.any():
        excess = np.where(bad, np.where(np.isfinite(excess), excess, np.inf), -np.inf)
        worst = np.unravel_index(np.argmax(excess), a.shape)
        raise AssertionError(
            f"{prefix}{bad.sum()} of {a.size} values differ; the worst at {worst}: "
            f"{a[worst]!r}, expected {b[worst]!r}"
        )


def relative_error(actual, expected):
    """|actual - expected| / |expected| in the L2 norm; inf where actual is not finite."""
    a, b = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert a.shape == b.shape, f"shape {a.shape}, expected {b.shape}"
    if not np.isfinite(a).all():
        return np.inf
    distance, size = np.linalg.norm((a - b).ravel()), np.linalg.norm(b.ravel())
    if size == 0:
        return 0.0 if distance == 0 else np.inf
    return float(distance / size)


def assert_accurate(actual, expected, dtype, what="", factor=1.0):
    """The relative L2 error is within what the dtype allows, and no single value is far off."""
    actual = np.asarray(actual)
    assert actual.dtype == np.dtype(dtype), f"{what}: dtype {actual.dtype}, expected {dtype}"
    assert actual.shape == np.shape(expected), (
        f"{what}: shape {actual.shape}, expected {np.shape(expected)}"
    )
    limit = TOLERANCE[np.dtype(dtype).name] * factor
    error = relative_error(actual, expected)
    assert error <= limit, f"{what}: relative error {error:.2e}, allowed {limit:.0e}"
    # One wrong value hides in the norm of many right ones; it does not hide from this.
    size = float(np.abs(expected).max()) if np.size(expected) else 0.0
    assert_close(actual, expected, rtol=20 * limit, atol=20 * limit * size, what=what)


def numeric_gradient(f, arrays, index, step=1e-6):
    """Central differences of the scalar f(*arrays) for ``arrays[index]``, in float64."""
    arrays = [np.array(a, np.float64) if np.asarray(a).dtype.kind == "f" else a for a in arrays]
    x = arrays[index]
    gradient = np.zeros(x.shape)
    for place in np.ndindex(*x.shape):
        centre = x[place]
        x[place] = centre + step
        above = float(f(*arrays))
        x[place] = centre - step
        below = float(f(*arrays))
        x[place] = centre
        gradient[place] = (above - below) / (2 * step)
    return gradient
