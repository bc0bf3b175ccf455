"""Any amount of rows as a folder of Parquet files, written as they come, in bounded memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as arrow_dataset
import pyarrow.parquet as pq

from immune_nb.errors import QueryError
from immune_nb.frames.decode import Part, assemble
from immune_nb.frames.duplicates import copies
from immune_nb.frames.schemas import Schema

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ROWS", "Dataset", "Folder"]

ROWS = 200_000  # per file, about
JSON = {b"immune_nb": b"json"}


@dataclass(frozen=True)
class Dataset:
    """A folder of rows. DuckDB, polars, Dask and Arrow read it as it is: ``folder/*.parquet``.

    Attributes:
        path: The folder.
        files: Its files, in order.
        receipt: How it came about, and whether it is whole; also in ``_receipt.json``.
    """

    path: Path
    files: tuple[Path, ...]
    receipt: dict[str, Any] = field(repr=False)

    @property
    def rows(self) -> int:
        """How many rows."""
        return int(self.receipt["rows"])

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return list(self.arrow.schema.names)

    @property
    def arrow(self) -> Any:
        """The rows as a `pyarrow.dataset.Dataset`, which reads what is asked for and no more."""
        if not self.files:
            return arrow_dataset.dataset(pa.table({}))
        return arrow_dataset.dataset(self.files, schema=_unified(self.files), format="parquet")

    def to_pandas(self) -> pd.DataFrame:
        """All rows as a frame, for as much as fits into memory."""
        frame: pd.DataFrame = self.arrow.to_table().to_pandas()
        frame.attrs["immune"] = dict(self.receipt)
        return frame

    def __repr__(self) -> str:
        whole = "complete" if self.receipt["complete"] else "NOT complete"
        return f"<Dataset {str(self.path)!r}, {self.rows:,} rows in {len(self.files)} files, {whole}>"


class Folder:
    """Writes parts to files.

    Args:
        path: The folder; it must be empty or not yet there.
        schema: The columns to expect.

    Attributes:
        coerced: By column, values that did not fit its dtype.

    Raises:
        QueryError: There is something in it, or it cannot be written.
    """

    def __init__(self, path: str | Path, schema: Schema) -> None:
        self.path = Path(path)
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise QueryError(f"{str(self.path)!r} is not an empty folder.", hint="Name a new one.")
        with _written(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self.coerced: dict[str, int] = {}
        self._schema = schema
        self._lock = threading.Lock()
        self._files: dict[int, list[Path]] = {}
        self._twice: dict[int, int] = {}
        self._epochs: dict[int, int] = {}

    def epoch(self, of: int) -> int:
        """How often a list was taken back."""
        return self._epochs.get(of, 0)

    def write(self, of: int, parts: Sequence[Part], epoch: int = 0) -> None:
        """Write the rows of a list to a file of their own, unless the list was taken back since `epoch`."""
        whole = assemble(parts, self._schema)
        again = copies(whole.frame, self._schema)
        frame = whole.frame.drop(index=again) if len(again) else whole.frame
        with self._lock:
            if epoch != self.epoch(of):
                return
            files = self._files.setdefault(of, [])
            path = self.path / f"list-{of:04d}-part-{epoch}{len(files):05d}.parquet"
            files.append(path)
            self._twice[of] = self._twice.get(of, 0) + len(again)
            for name, lost in whole.coerced.items():
                self.coerced[name] = self.coerced.get(name, 0) + lost
        with _written(self.path):
            pq.write_table(_table(frame), path, compression="zstd")
        if epoch != self.epoch(of):  # taken back while it was written
            path.unlink(missing_ok=True)

    def twice(self, of: int) -> int:
        """How many rows of a list were left out because the very same one had come before."""
        return self._twice.get(of, 0)

    def forget(self, of: int) -> None:
        """Take back what was written of a list."""
        with self._lock:
            for path in self._files.pop(of, []):
                path.unlink(missing_ok=True)
            self._twice.pop(of, None)
            self._epochs[of] = self.epoch(of) + 1

    def close(self, receipt: dict[str, Any]) -> Dataset:
        """Make the files agree on their columns, and give the handle."""
        files = tuple(sorted(path for paths in self._files.values() for path in paths))
        with _written(self.path):
            for name in _disputed(files):
                _rewrite(files, name)
            (self.path / "_receipt.json").write_text(json.dumps(receipt, indent=2))
        return Dataset(self.path, files, receipt)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """A folder that cannot be written is another than the question should name."""
    try:
        yield
    except OSError as error:
        fault = f"{str(path)!r} cannot be written ({error.strerror or error})."
        raise QueryError(fault, hint="What had come is not whole; name another folder.") from error


def _table(frame: pd.DataFrame) -> pa.Table:
    """The rows for Parquet: a column of mixed values becomes the JSON text of each, and is marked so."""
    mixed = {str(name) for name in frame if frame[name].dtype == object}
    told = {name: frame[name].map(_told, na_action="ignore") for name in mixed}
    table = pa.Table.from_pandas(frame.assign(**told), preserve_index=False)
    fields = [_plain(one, JSON if one.name in mixed else None) for one in table.schema]
    return table.cast(pa.schema(fields)).replace_schema_metadata(None)


def _plain(one: pa.Field, mark: dict[bytes, bytes] | None) -> pa.Field:
    is_text = mark or pa.types.is_dictionary(one.type) or pa.types.is_large_string(one.type)
    return pa.field(one.name, pa.string() if is_text else one.type, metadata=mark)


def _told(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _unified(files: Sequence[Path]) -> pa.Schema:
    schemas = [pq.read_schema(path) for path in files]
    return pa.unify_schemas([pa.schema([one.remove_metadata() for one in s]) for s in schemas])


def _disputed(files: Sequence[Path]) -> list[str]:
    """Columns that are of one kind in some files and of another elsewhere."""
    kinds: dict[str, set[tuple[pa.DataType, bool]]] = {}
    for path in files:
        for one in pq.read_schema(path):
            kinds.setdefault(one.name, set()).add((one.type, _is_json(one)))
    return [name for name, several in kinds.items() if len(several) > 1]


def _is_json(one: pa.Field) -> bool:
    return bool(one.metadata and one.metadata.get(b"immune_nb") == b"json")


def _rewrite(files: Sequence[Path], name: str) -> None:
    """Write a column as JSON text in every file, one file at a time."""
    for path in files:
        table = pq.read_table(path)
        place = table.schema.get_field_index(name)
        if place < 0 or _is_json(table.schema.field(place)):
            continue
        values = [None if v is None else _told(v) for v in table.column(place).to_pylist()]
        marked = pa.field(name, pa.string(), metadata=JSON)
        pq.write_table(table.set_column(place, marked, pa.array(values, pa.string())), path, compression="zstd")
