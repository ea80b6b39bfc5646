"""Small spools with shapes that make rewriting hard."""


def _message(number, body, fields=b"", sender=b"ann@example.org"):
    return (b"From " + sender + b" Thu Jan  1 00:0%d:00 1970\n" % number +
            b"From: " + sender + b"\nSubject: number %d\n" % number +
            b"Message-Id: <%d@example.org>\n" % number + fields + b"\n" + body)


def _crlf(text):
    return text.replace(b"\n", b"\r\n")


def awkward():
    """Six messages: bookkeeping stored, quoted and bare From lines, a Content-Length that hides a
    From_ line, CRLF line ends with NUL and bare CR, a large one that crosses pages, and a last one
    without its newline."""
    inner = b"line\n\nFrom inner@example.org Thu Jan  1 00:00:00 1970\nstill the same message\n"
    return [
        _message(1, b"first body token-one\n.\n..dots\n\n",
                 b"Status: RO\nX-UIDL: stored-id-0123456789\n"),
        _message(2, b"token-two\n>From quoted\nFrom in the middle of a paragraph\n\n",
                 b"X-Folded: a\n b\n"),
        _message(3, inner + b"token-three\n\n",
                 b"Content-Length: %d\nStatus: O\n" % len(inner + b"token-three\n")),
        _crlf(_message(4, b"token-four\nNUL \0 and bare \r in it, \xe4\xf6\xfc\n\n")),
        _message(5, b"token-five\n" + b"".join(b"%05d ballast over several pages\n" % i
                                               for i in range(420)) + b"x" * 2047 + b"\n\n"),
        _message(6, b"token-six, no newline at the end"),
    ]


def plain():
    """Five small messages without surprises; the toy engine reads them too."""
    return [_message(n, b"body %d token-%d\n\n" % (n, n), sender=b"toy@example.org")
            for n in range(1, 6)]


def large():
    """Messages larger than any buffer, so that every rewrite takes several writes."""
    return [_message(n, b"token-%d\n" % n +
                     b"".join(b"%d %07d filler filler filler filler filler\n" % (n, i)
                              for i in range(6000)) + b"\n") for n in range(1, 7)]


def arrival(sender=b"bob@example.org"):
    return (b"From " + sender + b" Fri Jan  2 00:00:00 1970\nFrom: " + sender +
            b"\nSubject: the arrival\nMessage-Id: <arrival@example.org>\n\n"
            b"delivered meanwhile\n>From a colleague\n\n")


def late_arrival(sender=b"eve@example.org"):
    return (b"From " + sender + b" Sat Jan  3 00:00:00 1970\nFrom: " + sender +
            b"\nSubject: the late arrival\nMessage-Id: <late@example.org>\n\n"
            b"delivered after the crash\n\n")


def with_bookkeeping(message, fields):
    """The same message as an old program rewrote it."""
    line_end = message.index(b"\n") + 1
    return message[:line_end] + fields + message[line_end:]
