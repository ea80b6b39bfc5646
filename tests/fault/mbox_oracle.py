"""An independent reader of mbox spools, and what it must find there after a fault.

It shares nothing with the C++ code: it splits by the rules that popper-formats(5) promises, compares
whole messages and knows nothing of journals or indexes but their names.
"""

import os
import re
from dataclasses import dataclass, field

_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_ZONE = rb"(?: +(?:[A-Z]{1,5}|[+-]\d{4}))?"
_FROM_LINE = re.compile(
    rb"From (?:.* )?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) " + _MONTH +
    rb" [ \d]?\d \d\d:\d\d(?::\d\d)?" + _ZONE + rb" \d{4}" + _ZONE +
    rb"(?: remote from .+)?\r?\n?\Z")

# Fields that mail programs keep for themselves: no part of the message.
_BOOKKEEPING = {b"status", b"x-status", b"x-uidl", b"content-length", b"lines", b"x-imap",
                b"x-imapbase", b"x-uid", b"x-keywords"}
# Those of them that a client never sees.
_HIDDEN = _BOOKKEEPING - {b"status", b"x-status", b"lines"}


@dataclass(frozen=True)
class Message:
    separator: bytes
    header: bytes  # with the empty line that ends it
    body: bytes

    def _fields_without(self, names):
        kept, dropping = [], False
        for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", self.header):
            if line[:1] not in (b" ", b"\t"):
                dropping = b":" in line and line.split(b":", 1)[0].strip().lower() in names
            if not dropping:
                kept.append(line)
        return b"".join(kept)

    def content(self):
        """All that is not bookkeeping, without the empty line that parts it from the next one."""
        whole = self.separator + self._fields_without(_BOOKKEEPING) + self.body
        if not whole.endswith(b"\n"):
            whole += b"\n"
        for blank in (b"\r\n\r\n", b"\n\n"):
            if self.body and whole.endswith(blank):
                return whole[:-(len(blank) // 2)]
        return whole

    def core(self):
        """Bytes that are stored unchanged wherever the message lies."""
        return self.body.rstrip(b"\r\n") or self._fields_without(_BOOKKEEPING).strip(b"\r\n")

    def wire_octets(self):
        """What RETR sends, dots not doubled."""
        stored = self._fields_without(_HIDDEN) + self.body
        octets = len(stored) + len(re.findall(rb"(?<!\r)\n", stored))
        if stored.endswith(b"\n") or not stored:
            return octets
        return octets + (1 if stored.endswith(b"\r") else 2)

    def name(self):
        """For people."""
        found = re.search(rb"^Subject: *(.*?)\r?$", self.header, re.M)
        return (found.group(1) if found else self.content()[:40]).decode("latin-1")


def _line_at(data, offset):
    end = data.find(b"\n", offset)
    return data[offset:len(data) if end < 0 else end + 1]


def _is_separator(data, offset):
    line = _line_at(data, offset)
    return len(line) <= 1024 and _FROM_LINE.match(line) is not None


def _header_end(data, offset):
    """One past the empty line that ends the header, or where the next message or the file ends it."""
    while offset < len(data):
        line = _line_at(data, offset)
        offset += len(line)
        if line in (b"\n", b"\r\n"):
            return offset
    return offset


def _length_promised(header):
    found = re.search(rb"^Content-Length:[ \t]*(\d{1,15})[ \t]*\r?$", header, re.M | re.I)
    return int(found.group(1)) if found else None


def _body_end(data, body, header):
    promised = _length_promised(header)
    if promised is not None and body + promised <= len(data):
        end = body + promised
        for blank in (b"", b"\n", b"\r\n"):
            after = end + len(blank)
            if data[end:after] == blank and (after == len(data) or _is_separator(data, after)):
                return after
    at, after_blank = body, True
    while at < len(data):
        line = _line_at(data, at)
        if after_blank and _is_separator(data, at):
            return at
        after_blank = line in (b"\n", b"\r\n")
        at += len(line)
    return at


def split(data):
    """The messages of a spool. ValueError if it is none."""
    messages, at = [], 0
    if data and not _is_separator(data, 0):
        raise ValueError("does not begin with a From_ line: %r" % data[:60])
    while at < len(data):
        separator = _line_at(data, at)
        header = at + len(separator)
        body = _header_end(data, header)
        end = _body_end(data, body, data[header:body])
        messages.append(Message(separator, data[header:body], data[body:end]))
        at = end
    return messages


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


@dataclass
class Expectation:
    """What stood in the maildrop before, and what a session tried."""
    before: list  # Message
    deleted: frozenset  # of indexes into before
    unique_ids: dict = field(default_factory=dict)  # content -> list of ids, before the session
    arrivals: list = field(default_factory=list)  # delivered meanwhile
    said_ok: bool = False
    any_order: bool = False  # a merge decides the order

    def all_kept(self):
        return self.before + self.arrivals

    def without_deleted(self):
        return self.survivors() + self.arrivals

    def survivors(self):
        return [m for i, m in enumerate(self.before) if i not in self.deleted]


def _same_order(found, wanted, loose):
    """Byte for byte; `loose` ones may differ in newlines at their end: a delivery appended there."""
    if len(found) != len(wanted):
        return False
    return all(f.content() == w.content() or
               (i in loose and f.content().rstrip(b"\r\n") == w.content().rstrip(b"\r\n"))
               for i, (f, w) in enumerate(zip(found, wanted)))


def _matches(found, wanted, arrivals, any_order):
    if any_order:
        found, wanted = (sorted(x, key=Message.content) for x in (found, wanted))
        return _same_order(found, wanted, range(len(wanted)))
    first_arrival = len(wanted) - arrivals
    return _same_order(found, wanted, range(max(first_arrival - 1, 0), len(wanted)) if arrivals
                       else ())


def _explain(found, expectation):
    """Why a spool is neither the old nor the new state."""
    def bare(message):
        return message.content().rstrip(b"\r\n")
    count = {}
    for message in found:
        count[bare(message)] = count.get(bare(message), 0) + 1
    wanted = {}
    for message in expectation.without_deleted():
        wanted[bare(message)] = wanted.get(bare(message), 0) + 1
    most = dict(wanted)
    for i in expectation.deleted:
        key = bare(expectation.before[i])
        most[key] = most.get(key, 0) + 1
    faults = []
    for message in expectation.without_deleted():
        if count.get(bare(message), 0) < wanted[bare(message)]:
            faults.append(("lost", message.name()))
    for message in found:
        if bare(message) not in most:
            faults.append(("fragment", repr(message.content()[:70])))
        elif count[bare(message)] > most[bare(message)]:
            faults.append(("doubled", message.name()))
    if not faults:
        kinds = "deleted in part" if expectation.deleted else "order or bytes at an end"
        faults.append(("mixed", kinds + ": found " + ", ".join(m.name() for m in found)))
    return sorted(set(faults))


def check_spool(data, expectation):
    """Faults of a spool that must be in the old state or the new one: (kind, text) pairs."""
    try:
        found = split(data)
    except ValueError as error:
        return [("fragment", str(error))]
    arrivals = len(expectation.arrivals)
    if _matches(found, expectation.without_deleted(), arrivals, expectation.any_order):
        return []
    if _matches(found, expectation.all_kept(), arrivals, expectation.any_order):
        return [("lie", "+OK was sent, but the deleted ones are back")] if expectation.said_ok else []
    return _explain(found, expectation)


def check_all_bytes_somewhere(contents, expectation):
    """Before recovery: every message that must be kept lies whole in one of these files."""
    return [("lost", message.name() + " (before recovery)")
            for message in expectation.without_deleted()
            if not any(message.core() in content for content in contents)]


def check_unique_ids(found, listed, expectation):
    """`listed` is what the engine lists: (unique-id, octets) pairs."""
    faults = []
    if len(found) != len(listed):
        return [("listing", "the spool holds %d messages, %d are listed" %
                 (len(found), len(listed)))]
    if len({unique_id for unique_id, _ in listed}) != len(listed):
        faults.append(("unique-id", "two are equal"))
    for message, (unique_id, octets) in zip(found, listed):
        known = expectation.unique_ids.get(message.content().rstrip(b"\r\n"), [])
        if known and unique_id not in known:
            faults.append(("unique-id", "%s: was %s, is %s" % (message.name(), known, unique_id)))
        if octets is not None and octets != message.wire_octets():
            faults.append(("listing", "%s: %d octets listed, %d are sent" %
                           (message.name(), octets, message.wire_octets())))
    return faults


def files_beside(directory):
    return sorted(os.listdir(directory))
