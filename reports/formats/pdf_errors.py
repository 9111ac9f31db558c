"""What is wrong with a PDF, a key or a certificate where PDFs are signed."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from pyhanko.pdf_utils.misc import PdfError

from sealing.errors import Conflict, Invalid

# What cryptography raises, some of it only when a field is looked at.
UNREADABLE_CERTIFICATE: Final = (
    ValueError,
    IndexError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
# What pyHanko raises about files that are not what they seem to be: it expects some structure,
# and a stranger's file need not have it.
UNREADABLE_PDF: Final = (
    PdfError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    EOFError,
    struct.error,
    zlib.error,
)


class PdfRefused(Invalid):
    """The file is not a PDF that can be signed here, or its field is not empty."""

    code = "pdf_refused"


class KeyUnsuitable(Conflict):
    """Readers of PDFs do not understand signatures by a key of this kind."""

    code = "key_unsuitable"


class CertificateRefused(Invalid):
    """A certificate can't be read, has ended, or is another key's."""

    code = "certificate_invalid"
