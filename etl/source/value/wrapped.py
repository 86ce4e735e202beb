"""Arrow types that stand for values of another type: dictionaries, runs, unions, extensions."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

_BINARY = pa.binary()
Convert = Callable[[pa.Array], pa.Array]


def is_list(type: pa.DataType) -> bool:
    """Return True if values of this type are lists (a map is none)."""
    return any(
        belongs(type)
        for belongs in (
            pa.types.is_list,
            pa.types.is_large_list,
            pa.types.is_list_view,
            pa.types.is_large_list_view,
            pa.types.is_fixed_size_list,
        )
    )


def unwrap(array: pa.Array, convert: Convert) -> pa.Array | None:
    """Convert the values that ``array`` stands for; None where it holds values of its own.

    ``convert`` gives ``binary``, as long as what it is given.
    """
    if isinstance(array, pa.ExtensionArray):
        return _extension(array, convert)
    if pa.types.is_dictionary(array.type):
        return _dictionary(array, convert)
    if pa.types.is_run_end_encoded(array.type):
        runs = pa.RunEndEncodedArray.from_arrays(array.run_ends, convert(array.values))
        return pc.run_end_decode(runs.slice(array.offset, len(array)))
    if pa.types.is_union(array.type):
        return _union(array, convert)
    return None


def _extension(array: pa.Array, convert: Convert) -> pa.Array:
    name = array.type.extension_name
    if name == "arrow.uuid":
        return convert(_uuids(array.storage))
    if name == "arrow.bool8":
        return convert(pc.not_equal(array.storage, 0))
    return convert(array.storage)


def _dictionary(array: pa.Array, convert: Convert) -> pa.Array:
    indices = in_range(array.indices, len(array.dictionary))
    if len(array.dictionary) > len(array):
        # A dictionary shared by many batches is not worth converting for the few values that are used here.
        try:
            return convert(array.dictionary.take(indices))
        except pa.ArrowNotImplementedError:
            pass  # there are types that Arrow cannot take from
    return convert(array.dictionary).take(indices)


def in_range(indices: pa.Array, size: int) -> pa.Array:
    """Make null what points at nothing, as it may where the struct around it is null."""
    ends = pc.min_max(indices)
    if not ends["max"].is_valid or (ends["min"].as_py() >= 0 and ends["max"].as_py() < size):
        return indices
    inside = pc.and_(pc.greater_equal(indices, 0), pc.less(indices.cast(pa.int64(), safe=False), size))
    return pc.if_else(inside, indices, pa.scalar(None, indices.type))


def _union(array: pa.Array, convert: Convert) -> pa.Array:
    # Of a part of an array, Arrow's own type_codes and offsets are those of the array's beginning.
    codes = _own(array, pa.int8(), 1)
    dense = array.type.mode == "dense"
    result = pa.nulls(len(array), _BINARY)
    for index, code in enumerate(array.type.type_codes):
        chosen = pc.equal(codes, pa.scalar(code, pa.int8()))
        part = convert(array.field(index))
        if dense:
            offsets = in_range(_own(array, pa.int32(), 2), len(part))
            part = part.take(pc.if_else(chosen, offsets, pa.scalar(None, pa.int32())))
        result = pc.if_else(chosen, part, result)
    return result


def _own(array: pa.Array, type: pa.DataType, buffer: int) -> pa.Array:
    return pa.Array.from_buffers(type, len(array), [None, array.buffers()[buffer]], offset=array.offset)


def _uuids(storage: pa.Array) -> pa.Array:
    raw = storage.cast(_BINARY)
    digits = b"".join(value or bytes(16) for value in raw.to_pylist()).hex().encode()
    offsets = pa.array(range(0, 32 * len(raw) + 1, 32), pa.int32())
    text = pa.Array.from_buffers(pa.string(), len(raw), [None, offsets.buffers()[1], pa.py_buffer(digits)])
    ends = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
    parts = [pc.utf8_slice_codeunits(text, start, stop) for start, stop in ends]
    return pc.if_else(raw.is_valid(), pc.binary_join_element_wise(*parts, "-"), pa.scalar(None, pa.string()))


def settled(array: pa.Array, *, keep_dictionaries: bool = True) -> pa.Array:
    """Return the same values without what they share with a longer array that this is a part of.

    Views point into buffers that Arrow IPC writes as a whole, a dictionary is written with every part of the
    array. A dictionary shorter than the part is kept, unless ``keep_dictionaries`` is false.
    """
    type = array.type
    if pa.types.is_dictionary(type) and (len(array.dictionary) > len(array) or not keep_dictionaries):
        try:
            return settled(array.dictionary.take(array.indices))
        except pa.ArrowNotImplementedError:
            return array.cast(settled(array.dictionary.slice(0, 0)).type)
    if not _has_views(type):
        return array
    if pa.types.is_string_view(type):
        return array.cast(pa.string())
    if pa.types.is_binary_view(type):
        return array.cast(_BINARY)
    mask = array.is_null() if array.null_count else None
    if pa.types.is_struct(type):
        fields = [settled(array.field(index)) for index in range(type.num_fields)]
        named = [pa.field(field.name, part.type) for field, part in zip(type, fields, strict=True)]
        return pa.StructArray.from_arrays(fields, fields=named, mask=mask)
    if is_list(type) and not pa.types.is_fixed_size_list(type):
        # Not by a cast, which gives other lists for a part of an array of list views.
        return pa.ListArray.from_arrays(member_offsets(array), settled(array.flatten()), mask=mask)
    return array


def member_offsets(array: pa.Array) -> pa.Array:
    """Return where each list's members begin in ``array.flatten()``, and the end: one int32 more."""
    lengths = pc.fill_null(pc.list_value_length(array).cast(pa.int32()), 0)
    return pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])


def _has_views(type: pa.DataType) -> bool:
    if any(
        belongs(type)
        for belongs in (
            pa.types.is_string_view,
            pa.types.is_binary_view,
            pa.types.is_list_view,
            pa.types.is_large_list_view,
        )
    ):
        return True
    if not (is_list(type) or pa.types.is_struct(type)):
        return False
    return any(_has_views(type.field(index).type) for index in range(type.num_fields))
