"""What a client must see of an mbox spool: a second opinion, written from RFC 4155 and from what
popper-formats(5) promises, and from nothing in the C++ code. Slow, simple, whole file in memory."""

import re
from dataclasses import dataclass

DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
ZONE = rb"(?:[A-Za-z]{3,4}(?: [A-Za-z]{3})?|[+-]\d{4})"
FROM_LINE = re.compile(
    rb"From (?:.* )?" + DAY + rb" +" + MONTH + rb" +\d{1,2} +\d{1,2}:\d\d(?::\d\d)?"
    rb"(?: +" + ZONE + rb")? +\d{4}(?: +" + ZONE + rb")?(?: +remote from .*)?\s*$")

# What a server may write anew; the rest of a message it must leave alone.
BOOKKEEPING = {b"status", b"x-status", b"lines"}
HIDDEN = {b"content-length", b"x-uidl", b"x-imap", b"x-imapbase", b"x-uid", b"x-keywords"}


@dataclass
class Message:
    separator: bytes
    stored: bytes  # header and body as they lie in the file

    @property
    def wire(self):
        return wire_text(self.stored)

    @property
    def content(self):
        """The message without what mail programs keep for themselves in it."""
        header, rest = split_header(self.stored)
        return b"".join(field for field in split_fields(header)
                        if name_of(field) not in HIDDEN | BOOKKEEPING) + b"".join(rest)

    def field(self, name):
        """Value of the first such header field, or None."""
        for field in split_fields(split_header(self.stored)[0]):
            head, _, value = field.partition(b":")
            if head.strip().lower() == name.lower():
                return value.strip()
        return None


def lines_of(data):
    """Lines with their LF; a carriage return is a character like another."""
    lines = data.split(b"\n")
    whole = [line + b"\n" for line in lines[:-1]]
    return whole + ([lines[-1]] if lines[-1] else [])


def is_empty(line):
    return line in (b"\n", b"\r\n")


def split_header(stored):
    """The header's lines, and the rest with the empty line that ends the header."""
    lines = lines_of(stored)
    end = next((i for i, line in enumerate(lines) if is_empty(line)), len(lines))
    return lines[:end], lines[end:]


def split_fields(header_lines):
    fields = []
    for line in header_lines:
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += line
        else:
            fields.append(line)
    return fields


def name_of(field):
    """In lower case; a line without a colon has none."""
    return field.partition(b":")[0].strip().lower() if b":" in field else b""


def to_crlf(data):
    if data and not data.endswith(b"\n"):
        data += b"\n"
    return re.sub(rb"\r?\n", b"\r\n", data)


def wire_text(stored):
    """RETR's octets before dot-stuffing and without the final dot."""
    header, rest = split_header(stored)
    shown = [field for field in split_fields(header) if name_of(field) not in HIDDEN]
    return to_crlf(b"".join(shown) + b"".join(rest))


def top_text(stored, count):
    """What TOP n count must send, the same way."""
    wire = lines_of(wire_text(stored))
    end = next((i for i, line in enumerate(wire) if line == b"\r\n"), len(wire))
    return b"".join(wire[:end + 1 + count])


def promised_end(data, body):
    """Where a Content-Length that can be believed ends the message, or None."""
    header = data[:body]
    fields = split_fields(lines_of(header))
    for field in fields:
        name, _, value = field.partition(b":")
        if name.strip().lower() != b"content-length" or not value.strip().isdigit():
            continue
        end = body + int(value)
        rest = data[end:]
        if end > len(data):
            return None
        for gap in (b"", b"\n", b"\r\n"):
            after = rest[len(gap):]
            if rest.startswith(gap) and (not after or FROM_LINE.match(after.split(b"\n", 1)[0])):
                return end + len(gap)
        return None
    return None


def read(data):
    """Messages of an mbox in order."""
    messages, start = [], 0
    while start < len(data):
        separator_end = data.find(b"\n", start) + 1 or len(data)
        separator = data[start:separator_end]
        if not FROM_LINE.match(separator.rstrip(b"\r\n")):
            raise ValueError(f"no From_ line at {start}: {separator[:60]!r}")
        end = message_end(data, separator_end)
        messages.append(Message(separator, data[separator_end:end]))
        start = end
    return messages


def message_end(data, start):
    """One past a message's last byte: before the next From_ line that follows an empty line."""
    position, after_empty, in_header = start, False, True
    while position < len(data):
        end = data.find(b"\n", position) + 1 or len(data)
        line = data[position:end]
        if after_empty and line.startswith(b"From ") and FROM_LINE.match(line.rstrip(b"\r\n")):
            return position
        after_empty = is_empty(line)
        if in_header and after_empty:
            in_header = False
            promised = promised_end(data[start:], end - start)
            if promised is not None:
                return start + promised
        position = end
    return len(data)
