"""The ways to get readings that are compared. Each gives a frame of all rows, or dies."""

import json
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import httpx
import pandas as pd
import pyarrow as pa
import requests

import immune_nb as im
from immune_nb.auth.chain import find_credentials
from immune_nb.frames.decode import Part, assemble, part_of
from immune_nb.frames.schemas import READINGS
from immune_nb.frames.sheets import Reader
from immune_nb.frames.stacks import Stacker, Unread
from immune_nb.session import Session


@dataclass(frozen=True)
class Source:
    """Where the readings are: the API, its key, the question, and how many rows it has."""

    base_url: str
    key: str
    sensor: str
    start: str
    end: str
    rows: int

    @property
    def params(self) -> dict[str, str]:
        return {"sensor_id": self.sensor, "start_time": self.start, "end_time": self.end, "limit": "1000"}

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"ApiKey {self.key}"}

    def session(self) -> Session:
        profile = im.Profile("bench", self.base_url)
        return Session(profile, find_credentials(profile, {}, api_key=self.key))


def with_requests(source: Source) -> pd.DataFrame:
    frames, params = [], source.params
    with requests.Session() as session:
        session.trust_env = False
        while True:
            body = session.get(f"{source.base_url}/readings", params=params, headers=source.headers).json()
            frames.append(pd.json_normalize(body["data"]))
            if not body["has_more"]:
                return pd.concat(frames, ignore_index=True)
            params = {**params, "starting_after": body["data"][-1]["id"]}


def with_httpx(source: Source) -> pd.DataFrame:
    rows, params = [], source.params
    with httpx.Client(trust_env=False, headers=source.headers) as client:
        while True:
            body = client.get(f"{source.base_url}/readings", params=params).json()
            rows += body["data"]
            if not body["has_more"]:
                return pd.DataFrame(rows)
            params = {**params, "starting_after": body["data"][-1]["id"]}


def with_dlt(source: Source) -> pd.DataFrame:
    from dlt.sources.helpers.rest_client import RESTClient
    from dlt.sources.helpers.rest_client.paginators import BasePaginator

    class AfterLast(BasePaginator):
        def update_state(self, response, data=None) -> None:
            body = response.json()
            self._last = body["data"][-1]["id"] if body["data"] else None
            self._has_next_page = body["has_more"]

        def update_request(self, request) -> None:
            request.params = {**request.params, "starting_after": self._last}

    client = RESTClient(source.base_url, headers=source.headers, paginator=AfterLast(), data_selector="data")
    return pd.DataFrame([row for page in client.paginate("/readings", params=source.params) for row in page])


def curl_config(source: Source, folder: Path) -> Path:
    """The addresses of the very windows of a page each, known beforehand: what a plan cannot beat."""
    start, end = pd.Timestamp(source.start), pd.Timestamp(source.end)
    pages = -(-source.rows // 1000)
    edges = [start + (end - start) * n // pages for n in range(pages + 1)]
    lines = [f'header = "Authorization: {source.headers["Authorization"]}"']
    for n, (low, high) in enumerate(pairwise(edges)):
        texts = [t.ceil("s").isoformat().replace("+00:00", "Z") for t in (low, high)]
        query = f"sensor_id={source.sensor}&limit=1000&start_time={texts[0]}&end_time={texts[1]}"
        lines += [f'url = "{source.base_url}/readings?{query}"', f'output = "{folder}/{n}.json"']
    config = folder / "curl.txt"
    config.write_text("\n".join(lines))
    return config


def with_curl(source: Source) -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = curl_config(source, folder)
        command = ["curl", "-sf", "--no-progress-meter", "--noproxy", "*", "--parallel", "--parallel-max", "16"]
        subprocess.run([*command, "--config", str(config)], check=True)
        bodies = [path.read_bytes().replace(b"\n", b" ") for path in folder.glob("*.json")]
    import pyarrow.json

    options = pyarrow.json.ReadOptions(block_size=2**24)
    table = pyarrow.json.read_json(pa.BufferReader(b"\n".join(bodies)), options)
    frame: pd.DataFrame = pa.Table.from_struct_array(table["data"].combine_chunks().flatten()).to_pandas()
    return frame


def with_ours(source: Source) -> pd.DataFrame:
    session = source.session()
    try:
        return session.readings(source.sensor, start=source.start, end=source.end)
    finally:
        session.logout()


WAYS: dict[str, Callable[[Source], pd.DataFrame]] = {
    "requests + json_normalize": with_requests,
    "httpx + DataFrame": with_httpx,
    "dlt": with_dlt,
    "curl -Z 16 + Arrow": with_curl,
    "immune_nb": with_ours,
}


def decoded_by_us(bodies: list[bytes]) -> pd.DataFrame:
    """Pages as a query decodes them: thirty at once where they agree, on a few threads."""
    stacker, reader = Stacker(READINGS), Reader(READINGS)

    def parts_of(some: list[bytes]) -> list[Part]:
        sheets = [stacker.read(body) for body in some]
        return [
            one[1] if one else part_of(reader.read(body) if isinstance(sheet, Unread) else sheet, READINGS)
            for body, sheet, one in zip(some, sheets, stacker.read_all(sheets), strict=True)
        ]

    with ThreadPoolExecutor(4) as threads:
        stacks = threads.map(parts_of, [bodies[start : start + 30] for start in range(0, len(bodies), 30)])
        return assemble([part for parts in stacks for part in parts], READINGS).frame


def decoded_by_pandas(bodies: list[bytes]) -> pd.DataFrame:
    return pd.concat([pd.json_normalize(json.loads(body)["data"]) for body in bodies], ignore_index=True)
