"""The few messages of an ONNX file that a benchmark needs, written without the onnx package.

Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto);
the wire format is protocol buffers': a key (field << 3 | type), then a varint or length and bytes.
"""

import struct


def _varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _int(field, value):
    return _varint(field << 3) + _varint(value)


def _bytes(field, data):
    data = data.encode() if isinstance(data, str) else data
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _float(field, value):
    return _varint(field << 3 | 5) + struct.pack("<f", value)


_FLOAT, _INT, _INTS = 1, 2, 7  # AttributeProto.AttributeType


def _attribute(name, value):
    out = _bytes(1, name)
    if isinstance(value, float):
        return out + _float(2, value) + _int(20, _FLOAT)
    if isinstance(value, int):
        return out + _int(3, value) + _int(20, _INT)
    return out + b"".join(_int(8, v) for v in value) + _int(20, _INTS)


def node(kind, inputs, outputs, attributes):
    """NodeProto."""
    return (
        b"".join(_bytes(1, name) for name in inputs)
        + b"".join(_bytes(2, name) for name in outputs)
        + _bytes(4, kind)
        + b"".join(_bytes(5, _attribute(k, v)) for k, v in attributes.items())
    )


def _tensor(name, array):
    dims = b"".join(_int(1, size) for size in array.shape)
    return dims + _int(2, 1) + _bytes(8, name) + _bytes(9, array.astype("<f4").tobytes())


def _value(name, shape):
    dims = b"".join(_bytes(1, _bytes(2, d) if isinstance(d, str) else _int(1, d)) for d in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _int(1, 1) + _bytes(2, dims)))


def model(nodes, tensors, source, target):
    """ModelProto, operator set 13."""
    graph = (
        b"".join(_bytes(1, one) for one in nodes)
        + _bytes(2, "network")
        + b"".join(_bytes(5, _tensor(name, array)) for name, array in tensors.items())
        + _bytes(11, _value(*source))
        + _bytes(12, _value(*target))
    )
    return _int(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, "") + _int(2, 13))
