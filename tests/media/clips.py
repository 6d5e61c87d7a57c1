# SPDX-License-Identifier: Apache-2.0
"""Makes small media files with ffmpeg, and breaks them."""
import os
import random
import struct
import subprocess
import zlib

VIDEO = "testsrc2=s=%s:r=25:d=1"
SOUND = "sine=d=1:r=48000"
X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac"
X265 = ("-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params "
        "log-level=none:hdr10=1:colorprim=bt2020:transfer=smpte2084:"
        "colormatrix=bt2020nc:max-cll=1000,400:master-display=G(13250,34500)"
        "B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)")

# name, source ("v" video, "a" audio, or another clip), size, options
CLIPS = [
    ("last.mp4", "va", "640x360", X264),
    ("first.mp4", "last.mp4", "", "-c copy -movflags faststart"),
    ("fragmented.mp4", "last.mp4", "",
     "-c copy -movflags frag_keyframe+empty_moov"),
    ("prores.mov", "va", "320x180", "-c:v prores_ks -profile:v 3 "
     "-c:a pcm_s24le -timecode 01:00:00:00 -color_primaries bt709 "
     "-color_trc bt709 -colorspace bt709"),
    ("op1a.mxf", "va", "320x180", "-c:v mpeg2video -pix_fmt yuv422p "
     "-c:a pcm_s16le -timecode 10:00:00:00"),
    ("stream.ts", "last.mp4", "", "-c copy"),
    ("two.mkv", "last.mp4", "", "-c copy -metadata:s:a language=ger"),
    ("hdr.mkv", "v", "320x180", X265),
    ("bext.wav", "a", "", "-c:a pcm_s24le -write_bext 1 "
     "-metadata originator=Recorder -metadata time_reference=172800000 "
     "-metadata description=scene -metadata origination_date=2024-02-29"),
    ("sound.aiff", "a", "", "-c:a pcm_s16be"),
    ("still.png", "v", "320x180", "-frames:v 1"),
    ("still.jpg", "v", "320x180", "-frames:v 1"),
    ("still.exr", "v", "320x180", "-frames:v 1 -pix_fmt gbrpf32le"),
    ("still.dpx", "v", "320x180", "-frames:v 1 -pix_fmt gbrp10be"),
    ("still.tiff", "v", "320x180", "-frames:v 1 -pix_fmt rgb24"),
]


def make(folder):
    """The names of those that this ffmpeg can make, and of those it cannot."""
    made, missing = [], []
    for name, source, size, options in CLIPS:
        given = []
        if source.endswith(".mp4"):
            given = ["-i", os.path.join(folder, source)]
        if source.startswith("v"):
            given += ["-f", "lavfi", "-i", VIDEO % size]
        if source in ("a", "va"):
            given += ["-f", "lavfi", "-i", SOUND]
        done = subprocess.run(
            ["ffmpeg", "-nostdin", "-v", "error", "-y", "-threads", "1"]
            + given + options.split() + [os.path.join(folder, name)],
            stderr=subprocess.PIPE, text=True)
        (missing if done.returncode else made).append(name)
        if done.returncode:
            print("cannot make %s: %s" % (name, done.stderr.strip()[:200]))
    return made, missing


def mutations(data, count, seed):
    """So many copies, each with a few bytes changed, most near the ends."""
    dice = random.Random(seed)
    for _ in range(count):
        copy = bytearray(data)
        for _ in range(dice.choice((1, 2, 5, 20))):
            near = min(len(copy), dice.choice((64, 4096, len(copy))))
            at = dice.randrange(near)
            if dice.random() < 0.4:
                at = len(copy) - 1 - at
            copy[at] = dice.choice((0, 0xff, dice.randrange(256),
                                    copy[at] ^ 1 << dice.randrange(8)))
        yield bytes(copy)


def sparse_mp4(source, target, size):
    """A film with its index at the end, its data blown up to size bytes.

    ffmpeg leaves 8 bytes ("free") in front of mdat, so that there is room for
    a 64-bit length and all offsets stay what they are.
    """
    with open(source, "rb") as f:
        data = f.read()
    free = data.index(b"free") - 4
    begin, length = free + 8, struct.unpack(">I", data[free + 8:free + 12])[0]
    assert data[begin + 4:begin + 8] == b"mdat"
    moov = data[begin + length:]
    with open(target, "wb") as f:
        f.write(data[:free])
        f.write(struct.pack(">I4sQ", 1, b"mdat", size - free - len(moov)))
        f.write(data[begin + 8:begin + length])
        f.truncate(size - len(moov))
        f.seek(0, os.SEEK_END)
        f.write(moov)


def element(number, payload):
    return number + struct.pack(">Q", len(payload) | 1 << 56) + payload


def uint(number, value):
    return element(number, struct.pack(">I", value))


def bomb_mkv(blocks=200, unpacked=9_900_000):
    """Small on the disk; each block of it is 10 MB when it is unpacked."""
    packed = zlib.compress(bytes(unpacked), 9)
    encoding = element(b"\x6d\x80", element(b"\x62\x40", uint(
        b"\x50\x31", 0) + uint(b"\x50\x32", 1) + uint(b"\x50\x33", 0)
        + element(b"\x50\x34", uint(b"\x42\x54", 0))))
    track = element(b"\xae", uint(b"\xd7", 1) + uint(b"\x73\xc5", 1)
                    + uint(b"\x83", 1)
                    + element(b"\x86", b"V_MPEG4/ISO/ASP")
                    + element(b"\xe0", uint(b"\xb0", 4000)
                              + uint(b"\xba", 4000)) + encoding)
    head = element(b"\x1a\x45\xdf\xa3", uint(b"\x42\x86", 1)
                   + uint(b"\x42\xf7", 1) + uint(b"\x42\xf2", 4)
                   + uint(b"\x42\xf3", 8)
                   + element(b"\x42\x82", b"matroska")
                   + uint(b"\x42\x87", 4) + uint(b"\x42\x85", 2))
    cluster = uint(b"\xe7", 0) + b"".join(
        element(b"\xa3", b"\x81" + struct.pack(">hB", i, 0x80) + packed)
        for i in range(blocks))
    return head + element(b"\x18\x53\x80\x67", element(
        b"\x15\x49\xa9\x66", uint(b"\x2a\xd7\xb1", 1000000)) + element(
        b"\x16\x54\xae\x6b", track) + element(b"\x1f\x43\xb6\x75", cluster))
