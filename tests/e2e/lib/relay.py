# SPDX-License-Identifier: Apache-2.0
"""relay.py [OPTION...] PORT: a TCP relay to 127.0.0.1:PORT; prints its own.

  --flip N    flips a bit of the N-th byte that a client sends
  --hold N    forwards N bytes of a client, then nothing more
  --listen N  the relay's own port; default: any that is free
  --delay MS  each way, with as much in flight as fits
"""
import argparse
import asyncio

args = argparse.ArgumentParser()
args.add_argument("--flip", type=int)
args.add_argument("--hold", type=int)
args.add_argument("--listen", type=int, default=0)
args.add_argument("--delay", type=float, default=0)
args.add_argument("port", type=int)
args = args.parse_args()


def change(data, start):
    """What is passed on of data, the bytes from `start` on of a client."""
    if args.flip is not None and start <= args.flip < start + len(data):
        data = bytearray(data)
        data[args.flip - start] ^= 0x10
    if args.hold is not None:
        data = data[: max(0, args.hold - start)]
    return data


async def pump(reader, writer, from_client):
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue(maxsize=4096)

    async def deliver():
        while True:
            when, data = await queue.get()
            await asyncio.sleep(max(0, when - loop.time()))
            if data is None:
                break
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    task = asyncio.create_task(deliver())
    start = 0
    try:
        while data := await reader.read(65536):
            passed = change(data, start) if from_client else data
            start += len(data)
            if passed:
                await queue.put((loop.time() + args.delay / 1000, passed))
            if from_client and args.hold is not None and start >= args.hold:
                await asyncio.sleep(3600)
    except OSError:
        pass
    await queue.put((loop.time() + args.delay / 1000, None))
    try:
        await task
    except OSError:
        pass


async def serve(reader, writer):
    there = await asyncio.open_connection("127.0.0.1", args.port)
    await asyncio.gather(
        pump(reader, there[1], True), pump(there[0], writer, False)
    )
    writer.close()
    there[1].close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", args.listen)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
