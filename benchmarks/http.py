"""Plain HTTP clients: lines that stay open, with nothing between the bytes and the clock."""

import asyncio

from benchmarks.measure import check


class Line:
    """A connection that asks one page after the other."""

    def __init__(self, port, cookie):
        self.port, self.cookie = port, cookie

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *error):
        self.writer.close()

    async def get(self, path):
        """Status and body."""
        lines = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: {self.cookie}\r\n\r\n"
        self.writer.write(lines.encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in head[1:] if line)
        check(b"content-length" in headers, f"an answer without its length: {head[0]!r}")
        return int(head[0].split()[1]), await self.reader.readexactly(int(headers[b"content-length"]))


async def at_once(port, cookie, path, clients, requests):
    """As many clients ask for the same page until there were so many answers; the bodies."""

    async def one():
        async with Line(port, cookie) as line:
            return [await line.get(path) for _ in range(requests // clients)]

    answers = [answer for some in await asyncio.gather(*(one() for _ in range(clients))) for answer in some]
    refused = {status for status, _ in answers if status != 200}
    check(not refused, f"{path} answered {refused}")
    return [body for _, body in answers]
