"""Reading URLs that an operator typed. urllib quotes what it dislikes, passwords included: its errors end here."""

import re
from urllib.parse import SplitResult, urlsplit


def split(url: str) -> SplitResult | None:
    """A URL's parts, or None where it cannot be one."""
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 and not re.search(r"\s", url) else None
    except ValueError:
        return None


def password_in(url: str) -> str:
    """The password in a URL, as it stands there; "" without one. It may name several hosts."""
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""
