"""A plain server of pages made beforehand: what a network gives when the service costs nothing.

``python tests/bench/pages_server.py PAGES LATENCY_MS``: readings of one sensor, one a minute, in a list of the
contract's form, with time filters and cursors by arithmetic. Prints its address, ends at the end of stdin.
"""

import asyncio
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import uvloop

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ROW = (
    b'{"id":"rd_%012x","sensor_id":"vib_001","equipment_id":"pump_001","unit":"mm/s","value":%d.%03d,'
    b'"timestamp":"%s","quality":"good"}'
)


class Pages:
    """The list: row n is minute n."""

    def __init__(self, rows: int) -> None:
        self.count = rows
        self.rows = [
            ROW % (n * 7919, n % 5, n % 1000, (BEGIN + timedelta(minutes=n)).isoformat()[:19].encode() + b"Z")
            for n in range(rows)
        ]
        self.made: dict[tuple[int, int, int], bytes] = {}

    def answer(self, target: str) -> bytes:
        query = dict(parse_qsl(urlsplit(target).query))
        low = self._minute(query.get("start_time"), 0)
        high = self._minute(query.get("end_time"), self.count)
        begin = low
        if "starting_after" in query:
            begin = int(query["starting_after"].removeprefix("rd_"), 16) // 7919 + 1
        end = min(high, begin + int(query.get("limit", "100")))
        key = (begin, end, high - low)
        if key not in self.made:
            more = b"true" if end < high else b"false"
            body = b'{"data":[%s],"has_more":%s,"total_count":%d}' % (
                b",".join(self.rows[begin:end]),
                more,
                high - low,
            )
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            self.made[key] = head + body
        return self.made[key]

    def _minute(self, text: str | None, otherwise: int) -> int:
        if text is None:
            return otherwise
        since = datetime.fromisoformat(text) - BEGIN
        return min(
            max(
                -(-since // timedelta(minutes=1))
                if since % timedelta(minutes=1) == timedelta()
                else since // timedelta(minutes=1) + 1,
                0,
            ),
            self.count,
        )


async def serve(pages: Pages, latency: float) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if latency:
                    await asyncio.sleep(latency)
                writer.write(pages.answer(head.split(b" ", 2)[1].decode()))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=2**20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    pages = Pages(int(sys.argv[1]) * 1000)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    uvloop.run(serve(pages, float(sys.argv[2]) / 1000))


if __name__ == "__main__":
    main()
