"""The formats of files, by suffix: from data to bytes and back."""

from __future__ import annotations

import json
import os

from machinable.errors import DependencyMissing, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO

__all__ = ["DECODERS", "ENCODERS", "STREAMED", "decode_plain", "encode_plain", "suffix_of"]

_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][+-]?[0-9]+)?|nan|-?inf"
_INTEGER = r"-?(0|[1-9][0-9]*)"


def suffix_of(path: str) -> str:
    """The suffix in lower case, with its dot; empty where there is none."""
    dot = path.rfind(".")
    suffix = path[dot:] if dot > 0 and path[dot - 1] != os.sep else ""
    return "" if os.sep in suffix else suffix.lower()


def _to_json(value: Any) -> Any:
    if hasattr(value, "tolist"):  # arrays, and single numbers, of NumPy, PyTorch, JAX
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"a value of type {type(value).__name__}, {_short(value)}")


def _encoder() -> Callable[[Any], str]:
    """JSONEncoder.encode, which builds the encoder in C anew in each call, with one that is kept."""
    in_c = getattr(json.encoder, "c_make_encoder", None)
    plain = json.JSONEncoder(allow_nan=False, ensure_ascii=False, default=_to_json)
    if in_c is None:
        return plain.encode
    # Without a dict of markers: a circle ends in a RecursionError.
    chunks = in_c(None, _to_json, json.encoder.encode_basestring, None, ": ", ", ", False, False, False)
    return lambda value: "".join(chunks(value, 0))


_encode = _encoder()
_decode = json.JSONDecoder().decode


def _json(path: str, value: Any) -> bytes:
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can only escape
        return json.dumps(value, allow_nan=False, default=_to_json).encode()
    except (TypeError, ValueError, RecursionError) as error:
        problem = str(error)
        if isinstance(error, RecursionError) or "Circular" in problem:
            problem = "a value that contains itself, or nests too deeply"
        elif "JSON compliant" in problem:
            problem = "NaN or infinity; replace it, or save an array as .npy"
        raise StorageError(f"{path}: JSON can not hold {problem}.") from error


def _encode_json(path: str, data: Any) -> bytes:
    return _json(path, data)


def _encode_jsonl(path: str, data: Any) -> bytes:
    if isinstance(data, (str, bytes, dict)) or not hasattr(data, "__iter__"):
        raise _unfit(path, "a list of rows", data)
    return b"".join([_json(path, row) + b"\n" for row in data])


def _encode_text(path: str, data: Any) -> bytes:
    if not isinstance(data, str):
        raise _unfit(path, "text (a str)", data)
    try:
        return data.encode()
    except UnicodeEncodeError as error:
        raise StorageError(f"{path}: the text can not be written as UTF-8: {error}") from error


def encode_plain(path: str, data: Any) -> bytes:
    """Text or bytes as they are, for the suffixes that are not known."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    if isinstance(data, str):
        return _encode_text(path, data)
    known = " ".join(sorted([*ENCODERS, *STREAMED]))
    raise _unfit(path, f"a str or bytes under this suffix (other data: {known})", data)


def _encode_csv(path: str, data: Any) -> bytes:
    if hasattr(data, "write_csv"):  # Polars
        return str(data.write_csv()).encode()
    if hasattr(data, "to_csv"):  # pandas
        unnamed = type(data.index).__name__ == "RangeIndex"
        return str(data.to_csv(index=not unnamed)).encode()
    if isinstance(data, (str, bytes, dict)) or not hasattr(data, "__iter__"):
        raise _unfit(path, "a list of dicts", data)
    import csv
    import io

    rows = list(data)
    columns: dict[str, None] = {}
    for row in rows:
        if not isinstance(row, dict):
            raise _unfit(path, "a list of dicts", row)
        columns.update(dict.fromkeys(row))
        for name, value in row.items():
            if isinstance(value, (dict, list, tuple, set, bytes)):
                raise _unfit(path, f"numbers and texts in its cells, in column {name!r}", value)
    if not columns:
        return b""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval=None, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _encode_pickle(path: str, data: Any) -> bytes:
    import pickle

    try:
        return pickle.dumps(data, protocol=5)
    except Exception as error:  # which one depends on the type
        raise StorageError(f"{path}: {_short(data)} can not be pickled: {error}") from error


def _stream_npy(path: str, data: Any, stream: BinaryIO) -> None:
    numpy = _numpy(path)
    try:
        numpy.save(stream, data, allow_pickle=False)
    except ValueError as error:
        raise StorageError(
            f"{path}: only numbers and texts of one shape fit, {_short(data)} does not."
        ) from error


def _stream_npz(path: str, data: Any, stream: BinaryIO) -> None:
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise _unfit(path, "a dict of arrays", data)
    numpy = _numpy(path)
    import zipfile

    # Not numpy.savez, which takes the names as keyword arguments and reserves some of them.
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in data.items():
            with archive.open(zipfile.ZipInfo(name + ".npy"), "w", force_zip64=True) as member:
                try:
                    numpy.lib.format.write_array(member, numpy.asanyarray(array), allow_pickle=False)
                except ValueError as error:
                    raise _unfit(path, f"numbers and texts of one shape in {name!r}", array) from error


def _stream_parquet(path: str, data: Any, stream: BinaryIO) -> None:
    try:
        written = _write_parquet(data, stream)
    except ImportError as error:  # pandas without an engine
        raise _parquet_missing(path) from error
    except OSError:
        raise
    except Exception as error:  # each library has its own
        raise StorageError(
            f"{path} takes a data frame, a list of dicts or a dict of columns, not {_short(data)} "
            f"({type(data).__name__}): {error}"
        ) from error
    if not written:
        raise _parquet_missing(path)


def _write_parquet(data: Any, stream: BinaryIO) -> bool:
    """Whether there was a library that could."""
    if hasattr(data, "write_parquet"):  # Polars
        data.write_parquet(stream)
        return True
    if hasattr(data, "to_parquet"):  # pandas
        data.to_parquet(stream)
        return True
    pyarrow, polars = _optional("pyarrow"), _optional("polars")
    if pyarrow is not None:
        from pyarrow import parquet  # type: ignore[import-not-found,unused-ignore]

        if isinstance(data, dict):
            data = pyarrow.table(data)
        elif not isinstance(data, pyarrow.Table):
            data = pyarrow.Table.from_pylist(list(data))
        parquet.write_table(data, stream)
    elif polars is not None:
        polars.DataFrame(data).write_parquet(stream)
    return pyarrow is not None or polars is not None


def _decode_text(path: str, content: bytes) -> Any:
    return content.decode()


def decode_plain(path: str, content: bytes) -> Any:
    """Text if it is UTF-8, else bytes."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _decode_json(path: str, content: bytes) -> Any:
    return _decode(content.decode())


def _decode_jsonl(path: str, content: bytes) -> Any:
    # Not splitlines(), which splits at characters that JSON leaves as they are.
    return [_decode(line) for line in content.decode().split("\n") if line and not line.isspace()]


def _decode_csv(path: str, content: bytes) -> Any:
    import csv
    import io

    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    return [{name: _cell(text) for name, text in row.items()} for row in rows]


def _cell(text: Any) -> Any:
    """A number if it is written as one (`007` is not), True or False, None for an empty cell, else the text."""
    if not text:
        return None
    if not isinstance(text, str):  # cells beyond the header
        return [_cell(each) for each in text]
    if text in ("True", "False"):
        return text == "True"
    import re

    try:
        if re.fullmatch(_INTEGER, text):
            return int(text)
        return float(text) if re.fullmatch(_NUMBER, text) else text
    except ValueError:  # more digits than Python converts
        return text


def _decode_pickle(path: str, content: bytes) -> Any:
    import pickle

    return pickle.loads(content)


def _decode_npy(path: str, content: bytes) -> Any:
    import io

    return _numpy(path).load(io.BytesIO(content), allow_pickle=False)


def _decode_npz(path: str, content: bytes) -> Any:
    import io

    with _numpy(path).load(io.BytesIO(content), allow_pickle=False) as archive:
        return dict(archive)


def _decode_parquet(path: str, content: bytes) -> Any:
    import io

    pandas = _optional("pandas")
    if pandas is not None:
        try:
            return pandas.read_parquet(io.BytesIO(content))
        except ImportError:
            pass  # pandas without an engine; Polars reads alone
    polars = _optional("polars")
    if polars is not None:
        return polars.read_parquet(io.BytesIO(content))
    if _optional("pyarrow") is None:
        raise _parquet_missing(path)
    from pyarrow import parquet  # type: ignore[import-not-found,unused-ignore]

    return parquet.read_table(io.BytesIO(content))


def _unfit(path: str, expected: str, data: Any) -> StorageError:
    return StorageError(f"{path} takes {expected}, not {_short(data)} ({type(data).__name__}).")


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _optional(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _numpy(path: str) -> Any:
    numpy = _optional("numpy")
    if numpy is None:
        raise DependencyMissing(f"{path} needs NumPy: pip install numpy")
    return numpy


def _parquet_missing(path: str) -> DependencyMissing:
    return DependencyMissing(f"{path} needs PyArrow: pip install 'machinable[parquet]'")


#: From data to the bytes of a file, by suffix. Errors name the path, which is not touched.
ENCODERS: dict[str, Callable[[str, Any], bytes]] = {
    ".json": _encode_json,
    ".jsonl": _encode_jsonl,
    ".txt": _encode_text,
    ".csv": _encode_csv,
    ".p": _encode_pickle,
}
#: What is too large to be had in memory twice is written right into the file.
STREAMED: dict[str, Callable[[str, Any, BinaryIO], None]] = {
    ".npy": _stream_npy,
    ".npz": _stream_npz,
    ".parquet": _stream_parquet,
}
#: From the bytes of a file to data.
DECODERS: dict[str, Callable[[str, bytes], Any]] = {
    ".json": _decode_json,
    ".jsonl": _decode_jsonl,
    ".txt": _decode_text,
    ".csv": _decode_csv,
    ".p": _decode_pickle,
    ".npy": _decode_npy,
    ".npz": _decode_npz,
    ".parquet": _decode_parquet,
}
