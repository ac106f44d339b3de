"""What is wrong with a server's certificate, by what OpenSSL says of it. Pure; needs no `ssl` to be loaded."""

from enum import StrEnum


class Fault(StrEnum):
    """Each asks for something else of people; the values are stable codes."""

    EXPIRED = "certificate-expired"
    NOT_YET_VALID = "clock-wrong"
    NAME = "certificate-name"
    AUTHORITY = "certificate-authority"


_FAULTS = {10: Fault.EXPIRED, 9: Fault.NOT_YET_VALID, 62: Fault.NAME, 64: Fault.NAME}
"""X509_V_ERR_... of OpenSSL's x509_vfy.h; every other one is about who signed it."""
_WORDS = {
    Fault.EXPIRED: "its certificate has expired",
    Fault.NOT_YET_VALID: "its certificate begins later than now; the clock here may be wrong",
    Fault.NAME: "its certificate is for another name",
    Fault.AUTHORITY: "its certificate is not of an authority that this agent trusts",
}


def fault_of(error: BaseException) -> Fault | None:
    """None for an error that is not about a certificate."""
    code = getattr(error, "verify_code", None)
    return None if code is None else _FAULTS.get(code, Fault.AUTHORITY)


def words_for(error: OSError) -> str:
    """The error as the log has it."""
    fault = fault_of(error)
    return str(error) if fault is None else f"{fault}: {_WORDS[fault]}"
