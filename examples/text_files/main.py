"""Convert text files of any common encoding to UTF-8 with plain line endings.

The converted files are written to `converted/` in the folder in which the job runs.
"""

import codecs
from pathlib import Path

from sdk.runtime import job

TEXTS = Path(__file__).parent / "texts"
CONVERTED = Path("converted")


def encoding_of(data):
    """Tell the encoding of a text from its bytes."""
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # Text in an older encoding is hardly ever valid UTF-8, so UTF-8 is tried first.
    # latin-1 comes last, because it accepts anything.
    for encoding in ("utf-8", "cp1252"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def convert(source, target):
    """Write the text of one file as UTF-8 and return the encoding it had."""
    data = source.read_bytes()
    encoding = encoding_of(data)
    text = data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    # newline="\n": without it, Windows would write its own line endings.
    target.write_text(text, encoding="utf-8", newline="\n")
    return encoding


def main():
    CONVERTED.mkdir(exist_ok=True)
    files = sorted(TEXTS.glob("*.txt"))
    encodings = {}
    for count, source in enumerate(files, start=1):
        encoding = convert(source, CONVERTED / source.name)
        encodings[encoding] = encodings.get(encoding, 0) + 1
        print(f"{source.name}: {encoding}")
        job.progress(count / len(files), source.name)
    job.result = {"files": len(files), "encodings": encodings}


if __name__ == "__main__":
    main()
