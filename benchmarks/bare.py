"""The limit of a bell: a server that writes one prebuilt frame to every connection, on uvloop, with nothing else. It
rings for each line that comes by its first connection."""

import asyncio
import sys

import uvloop


class Writer(asyncio.Protocol):
    everybody = set()

    def connection_made(self, transport):
        self.transport = transport
        self.everybody.add(transport)

    def connection_lost(self, error):
        self.everybody.discard(self.transport)

    def data_received(self, data):
        for number in data.split():
            text = b'{"stream": "team:1", "n": %s}' % number
            frame = bytes([0x81, len(text)]) + text
            for transport in self.everybody:
                transport.write(frame)


async def main(port):
    server = await asyncio.get_running_loop().create_server(Writer, "127.0.0.1", port)
    await server.serve_forever()


uvloop.run(main(int(sys.argv[1])))
