"""One file from one web address, continued where an earlier attempt stopped.

Whether the file is the right one is fetching.py's business.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO

from workflow_src.data.progress import transfer_progress
from workflow_src.storage import explain

ATTEMPTS = 3
PAUSE_SECONDS = 1.0
TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 18


class DownloadError(Exception):
    """An address that does not give its file; the message is the reason alone."""


def download(address: str, part: Path) -> None:
    """Complete ``part``, whose bytes so far (none, if it is absent) are kept, from ``address``.

    What has arrived stays in ``part`` after a failure. Nobody else may write it meanwhile.

    Raises
    ------
    DownloadError
        Where the address gives no (whole) file in three attempts.
    UserError
        Where ``part`` cannot be written.
    """
    try:
        with part.open("ab") as sink:
            _attempt_repeatedly(address, part, sink)
    except OSError as error:
        raise explain(error, part) from error
    finally:
        if part.is_file() and not part.stat().st_size:
            part.unlink()


def _attempt_repeatedly(address: str, part: Path, sink: BinaryIO) -> None:
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS * attempt)
        try:
            _continue(address, part, sink)
            return
        except urllib.error.HTTPError as error:
            reason = f"answers {error.code} {error.reason}"
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                sink.truncate(0)
            elif error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR:
                break
        except urllib.error.URLError as error:
            reason = str(error.reason)
            break
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
    raise DownloadError(reason)


def _continue(address: str, part: Path, sink: BinaryIO) -> None:
    have = part.stat().st_size
    headers = {"User-Agent": "density-bench"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(address, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        if have and not _continues_at(response, have):
            sink.truncate(0)
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        received = have
        with transfer_progress(part.name.removesuffix(".part"), total, have) as advance:
            while chunk := response.read(_CHUNK):
                sink.write(chunk)
                received += len(chunk)
                advance(len(chunk))
        sink.flush()
    if total is not None and received < total:
        raise ConnectionError(f"the connection ended after {received} of {total} bytes")


def _continues_at(response: http.client.HTTPResponse, position: int) -> bool:
    content_range = response.headers.get("Content-Range", "")
    return response.status == http.HTTPStatus.PARTIAL_CONTENT and content_range.startswith(
        f"bytes {position}-"
    )
