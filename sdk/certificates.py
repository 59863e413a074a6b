"""Why a certificate is not accepted, as a sentence that says what to do."""

import ssl
from datetime import UTC, datetime

# The numbers are OpenSSL's: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
NOT_YET_VALID = 9
EXPIRED = 10
UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
OTHER_NAME = frozenset({62, 64})
NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})


def why(error: ssl.SSLError) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        if error.reason in NOT_TLS:
            return "it does not speak TLS at this port; is it http:// instead of https://?"
        return f"TLS with it does not come about ({error.reason or error})."
    if error.verify_code == EXPIRED:
        return f"its certificate has expired; renew it. (This machine's clock says {_clock()}.)"
    if error.verify_code == NOT_YET_VALID:
        return (
            f"its certificate is not valid yet; is this machine's clock right? It says {_clock()}."
        )
    if error.verify_code in UNKNOWN_ISSUER:
        return (
            "its certificate is signed by nobody whom this machine trusts. If that is your own CA, "
            "name the file with the CA's certificate in SSL_CERT_FILE (robot-agent: --ca-file)."
        )
    if error.verify_code in OTHER_NAME:
        return f"its certificate is for another name ({error.verify_message}); use the right one."
    return f"its certificate is not accepted ({error.verify_message})."


def _clock() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
