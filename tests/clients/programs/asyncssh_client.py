# SPDX-License-Identifier: Apache-2.0
"""asyncssh, as the scripts on it do things."""
import asyncio
import sys

import asyncssh
import base


def version(_):
    print(asyncssh.__version__)


async def upload(sftp, file, path):
    await sftp.put(file, path)


async def resume(sftp, file, path):
    offset = await sftp.getsize(path)
    with open(file, "rb") as source:
        async with sftp.open(path, "ab") as f:
            source.seek(offset)
            while data := source.read(1 << 20):
                await f.write(data)


async def download(sftp, path, file):
    await sftp.get(path, file)


async def download_rest(sftp, path, file):
    with open(file, "ab") as to:
        async with sftp.open(path, "rb") as f:
            await f.seek(to.tell())
            to.write(await f.read())


async def list_(sftp, path):
    for entry in await sftp.readdir(path):
        print(entry.longname)


async def rename_file(sftp, old, new):
    await sftp.rename(old, new)


async def upload_timed(sftp, file, path):
    await sftp.put(file, path, preserve=True)


async def download_timed(sftp, path, file):
    await sftp.get(path, file, preserve=True)


async def make_folder(sftp, path):
    await sftp.mkdir(path)


async def remove_folder(sftp, path):
    await sftp.rmdir(path)


async def parallel(sftp, folder, path):
    """64 files on one channel of one connection."""
    await asyncio.gather(
        *(sftp.put(f, f"{path}/{n}") for f, n in base.files_of(folder))
    )


async def main():
    operation = {"list": list_}.get(sys.argv[1]) or globals()[sys.argv[1]]
    if operation is version:
        return version(None)
    async with asyncssh.connect(
        base.HOST, base.SFTP_PORT, username=base.USER, password=base.PASSWORD,
        known_hosts=None, client_keys=None, config=None, agent_path=None,
    ) as ssh:
        async with ssh.start_sftp_client() as sftp:
            await operation(sftp, *sys.argv[2:])


asyncio.run(main())
