"""Names of packets and of their files (docs/formats.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from evidence.formats.names import PLATFORM
from reports.formats.period import Period

JSON_SUFFIX: Final = ".json"
PDF_SUFFIX: Final = ".pdf"
SIG_SUFFIX: Final = ".sig"
COUNTERSIGNED: Final = ".countersigned"
_PREFIXES: Final = {"SOC2": "SOC2_Evidence"}
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_NAME: Final = re.compile(
    rf"SOC2_Evidence_(?P<client>[a-z0-9-]{{2,64}})_(?P<start>{_DAY})_(?P<last>{_DAY})"
    r"(?:_(?P<part>[0-9]{6}-[0-9]{6}))?(?:_r(?P<revision>[1-9][0-9]{0,4}))?\Z"
)


@dataclass(frozen=True, slots=True)
class PacketFiles:
    """The names of a packet's files.

    Attributes:
        json, pdf: what the packet is, with their signatures.
        countersigned: the PDF with the second signature, once there is one.
    """

    json: str
    json_sig: str
    pdf: str
    pdf_sig: str
    countersigned: str
    countersigned_sig: str


def files(name: str) -> PacketFiles:
    """The names of the files of the packet of that name."""
    pdf, countersigned = f"{name}{PDF_SUFFIX}", f"{name}{COUNTERSIGNED}{PDF_SUFFIX}"
    return PacketFiles(
        json=f"{name}{JSON_SUFFIX}",
        json_sig=f"{name}{JSON_SUFFIX}{SIG_SUFFIX}",
        pdf=pdf,
        pdf_sig=f"{pdf}{SIG_SUFFIX}",
        countersigned=countersigned,
        countersigned_sig=f"{countersigned}{SIG_SUFFIX}",
    )


def packet_name(framework: str, client_id: str | None, period: Period, revision: int) -> str:
    """``SOC2_Evidence_<client or platform>_<start>_<last day>[_rN]``.

    A period that does not begin and end with a day also has its times of day in the name, or two
    packets of the same days would share it.
    """
    parts = [
        _PREFIXES[framework],
        client_id or PLATFORM,
        f"{period.start:%Y-%m-%d}",
        f"{period.last_day:%Y-%m-%d}",
    ]
    if not (_is_midnight(period.start) and _is_midnight(period.end)):
        parts.append(f"{period.start:%H%M%S}-{period.end:%H%M%S}")
    if revision > 1:
        parts.append(f"r{revision}")
    return "_".join(parts)


def is_packet_name(text: str) -> bool:
    """Whether the text could be the name of a packet."""
    return _NAME.match(text) is not None


def vault_folder(client_id: str | None, name: str, generated_at: datetime) -> str:
    """``<client or platform>/YYYY/MM/DD/<name>``, by the day that it was generated."""
    return f"{client_id or PLATFORM}/{generated_at:%Y/%m/%d}/{name}"


def _is_midnight(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0)
