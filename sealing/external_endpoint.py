"""Where an external service is, and on what terms it is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from sealing import addresses, outgoing
from sealing.addresses import IPAddress, Network
from sealing.errors import Invalid

MAX_TIMEOUT_SECONDS = 600.0
# Nothing that JSON would write in another way: a token is looked for in answers.
_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{8,4096}\Z")


class EndpointRefused(Invalid):
    """The settings of an external endpoint can't be used."""

    code = "endpoint_invalid"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an external service is, and on what terms it is asked.

    Attributes:
        url: https, or http where it leads to an allowed loopback address.
        token: for `Authorization: Bearer`; empty for none.
        timeout_seconds: for a whole exchange but for the sending of a package.
        allowed_networks: networks beside the public ones in which the endpoint may lie.
        upload: whether the package itself is sent to the archive.
        ca_file: PEM of the authorities to be trusted in place of the system's.

    Raises:
        EndpointRefused: one of them can't be used; ``field`` says which.
    """

    url: str = field(repr=False)
    token: str = field(default="", repr=False)
    timeout_seconds: float = outgoing.TIMEOUT_SECONDS
    allowed_networks: tuple[Network, ...] = ()
    upload: bool = False
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        try:
            outgoing.checked_url(self.url)
        except outgoing.AddressRefused as error:
            raise EndpointRefused(error.message, field="url") from error
        if self.token and not _TOKEN.match(self.token):
            raise EndpointRefused(
                "A token has 8 to 4096 visible ASCII characters, no quotation mark or backslash.",
                field="token",
            )
        if not 0 < self.timeout_seconds <= MAX_TIMEOUT_SECONDS:
            raise EndpointRefused(
                f"A time limit is above 0 and at most {MAX_TIMEOUT_SECONDS:.0f} seconds.",
                field="timeout_seconds",
            )

    @property
    def shown_url(self) -> str:
        """The address without its query, which may hold a secret."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))

    def permits(self, scheme: str, ip: IPAddress) -> bool:
        """Whether the endpoint may lie at this address."""
        if scheme == "http" and not ip.is_loopback:
            return False
        return addresses.is_public(ip) or addresses.is_within(ip, self.allowed_networks)
