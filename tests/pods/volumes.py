"""The volumes of a pod as folders, laid out and owned as the kubelet does it where the pod has an fsGroup.

Files of Secrets and ConfigMaps hang on one symlink, `..data`, so that all of them change at once (Kubernetes,
pkg/volume/util/atomic_writer.go); what may be written belongs to root and to the group (pkg/volume/volume_linux.go).
Not simulated: that Secrets lie in memory, and size limits.
"""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

GROUP_READS: Final = 0o440

_numbers = itertools.count(1)


def writable(folder: Path, *, group: int) -> None:
    """An emptyDir, or what a claim is bound to: a file system's `lost+found` is in it, which is nobody's to write."""
    folder.mkdir(parents=True)
    os.chown(folder, 0, group)
    folder.chmod(0o2777)


def claimed(folder: Path, *, group: int) -> None:
    """A fresh disk: what its file system keeps in it is there already. A claim that was used before stays as it is."""
    if folder.exists():
        return
    (folder / "lost+found").mkdir(parents=True)
    for one, mode in ((folder, 0o2775), (folder / "lost+found", 0o2770)):
        os.chown(one, 0, group)
        one.chmod(mode)


def projected(folder: Path, files: Mapping[str, str], *, mode: int, group: int) -> None:
    """Files of a Secret or a ConfigMap; called again, it renews them all at once."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o3777)
    version = folder / f"..version-{next(_numbers)}"
    version.mkdir()
    for name, text in files.items():
        (version / name).write_text(text)
        os.chown(version / name, 0, group)
        (version / name).chmod(mode | GROUP_READS)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..new").symlink_to(version.name)
    (folder / "..new").replace(folder / "..data")
