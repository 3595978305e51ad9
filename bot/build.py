"""Which build runs: the release and, where an image was told, the commit that it was made of."""

import os

from bot import __version__


def revision() -> str:
    """The commit; empty where nobody said. The Dockerfile sets `BUILD_REVISION` from its argument `REVISION`."""
    return os.environ.get("BUILD_REVISION", "")


def build() -> str:
    """Like `0.1.0+3f2a91c`: what is after the plus is a local version (PEP 440)."""
    return f"{__version__}+{revision()}" if revision() else __version__
