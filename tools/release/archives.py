"""Archives whose bytes depend on names and contents alone: sorted, one time for all, no owner."""

import gzip
import hashlib
import io
import tarfile
import time
import zipfile

EXECUTABLES = ("kvasir",)
ZIP_BEGINS = 315532800


def write_tar(path, top, files, seconds):
    """Files under one folder `top`; of each its name inside and its path."""
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, seconds) as packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, source in sorted(files):
            content = source.read_bytes()
            entry = tarfile.TarInfo("%s/%s" % (top, name))
            entry.size, entry.mtime, entry.mode = len(content), seconds, 0o755 if name in EXECUTABLES else 0o644
            tar.addfile(entry, io.BytesIO(content))


def normalise_package(source, target, seconds):
    """The same NuGet package with its entries in order and of one time. A zip file knows no time before 1980."""
    moment = time.gmtime(max(seconds, ZIP_BEGINS))[:6]
    with zipfile.ZipFile(source) as packed, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written:
        for name in sorted(packed.namelist()):
            entry = zipfile.ZipInfo(name, moment)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            written.writestr(entry, packed.read(name))


def write_checksums(folder):
    """SHA256SUMS, as `sha256sum -c` reads it."""
    lines = ["%s  %s\n" % (hashlib.sha256(file.read_bytes()).hexdigest(), file.name) for file in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="ascii")
