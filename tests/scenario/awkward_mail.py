"""Messages that mail programs stumble over. Everything follows from the seed."""

import random

DATE = "Thu Jan  1 00:00:{:02d} 1970"


class Writer:
    """Makes a spool of awkward messages; `stored` has each one as it lies in the spool."""

    def __init__(self, seed, longest_line=1_200_000):
        self.random = random.Random(seed)
        self.longest_line = longest_line
        self.stored = []
        self.separators = []

    def add(self, header, body, separator=None):
        """The body gets the empty line that deliverers add."""
        number = len(self.stored) + 1
        fields = [b"Message-ID: <m%d@awkward.example>" % number, b"Subject: message %d" % number]
        self.add_raw(b"\n".join(fields + header) + b"\n\n" + body, separator)

    def add_raw(self, text, separator=None):
        number = len(self.stored) + 1
        self.separators.append(separator or
                               b"From a%d@example.org " % number + DATE.format(number % 60).encode())
        self.stored.append(text + (b"\n" if text.endswith(b"\n") else b"\n\n"))

    def spool(self):
        return b"".join(separator + b"\n" + text
                        for separator, text in zip(self.separators, self.stored))

    def words(self, count):
        return b" ".join(self.random.choice([b"maildrop", b"spool", b"lock", b"drop", b"letter"])
                         for _ in range(count))

    def noise(self, count, without=b"\n"):
        allowed = [byte for byte in range(256) if byte not in without]
        return bytes(self.random.choices(allowed, k=count))


def dots(writer, i):
    writer.add([], b"\n".join([b".", b"..", b"...", b".x", b"x.", b". ", b"." * i, b".\r"]) + b"\n")


def long_lines(writer, i):
    if i == 0:
        length = writer.longest_line
    else:
        length = min(i * 1024 + writer.random.randint(-2, 2), writer.longest_line)
    writer.add([], b"x" * length + b"From the middle of a line\n.\n" + b"y" * length + b"\n")


def line_ends(writer, i):
    ends = [b"\n", b"\r\n", b"\r\r\n", b"\r", b"\n\r\n"]
    body = b"".join(writer.words(3) + writer.random.choice(ends) for _ in range(20 + i))
    writer.add([], body + b"end\n")


def crlf_message(writer, i):
    lines = [b"Subject: all CRLF", b"Message-ID: <crlf%d@awkward.example>" % i, b"",
             b"one", b".two", b"", b"three"]
    writer.add_raw(b"\r\n".join(lines) + b"\r\n")


def nuls(writer, i):
    writer.add([], b"\0" * i + b"a\0b\n\0\n.\0\n" + writer.words(4).replace(b" ", b"\0") + b"\n")


def eight_bit(writer, i):
    writer.add([b"X-Odd: " + writer.noise(40, b"\0\r\n")], writer.noise(200 + i, b"\0\r") + b"\n")


def no_final_newline(writer, i):
    writer.add([], writer.words(5 + i))  # add_raw ends the line


def empty_body(writer, i):
    writer.add([], b"\n" * i)


def header_only(writer, i):
    writer.add_raw(b"Subject: header only %d\nX-Number: %d\n" % (i, i))


def quoted_from(writer, i):
    writer.add([], b">From me\n\n>From a@b Thu Jan  1 00:00:00 1970\n\n>>From x\n" * (i + 1))


def lookalikes(writer, i):
    lines = [b"", b"From me to you", b"", b"From a@b Thu Jan 1 1970", b"text",
             b"From a@b.example Thu Jan  1 00:00:00 1970", b"", b"From: x", b"", b"from a",
             b" From a@b.example Thu Jan  1 00:00:00 1970"]
    writer.add([], b"\n".join(lines[i % 3:]) + b"\n")


def content_length_right(writer, i):
    inner = b"see\n\nFrom i@example.org Thu Jan  1 00:00:00 1970\nSubject: inside\n\nnot a message\n"
    body = inner * (i + 1)
    writer.add([b"Content-Length: %d" % len(body)], body)


def content_length_wrong(writer, i):
    body = writer.words(9) + b"\n"
    wrong = [0, 1, len(body) - 1, len(body) + 2, len(body) + 4000, 10 ** 12, 10 ** 25][i % 7]
    writer.add([b"Content-Length: %d" % wrong, b"Lines: 7"], body)


def content_length_nonsense(writer, i):
    value = [b"-1", b"", b"12abc", b"0x10", b"1 2", b"+5"][i % 6]
    writer.add([b"Content-Length: " + value], writer.words(6) + b"\n")


def stored_id(writer, i):
    value = [b"stored-id-%d" % i, b"0123456789abcdef" * 2, b"x" * 70, b"!~#", b"1"][i % 5]
    writer.add([b"X-UIDL: " + value], writer.words(6) + b"\n")


def stored_id_again(writer, i):
    writer.add([b"X-UIDL: the-same-for-all", b"X-UIDL: second-%d" % i], writer.words(7) + b"\n")


def stored_id_invalid(writer, i):
    value = [b"", b"with blank", b"x" * 71, b"\xe4\xf6\xfc", b"tab\there", b"nul\0here"][i % 6]
    writer.add([b"X-UIDL: " + value], writer.words(8) + b"\n")


def imap_fields(writer, i):
    writer.add([b"X-UID: %d" % i, b"Status: " + [b"RO", b"O", b"U", b"R"][i % 4],
                b"X-Status: A", b"X-Keywords: one\n two three", b"X-Not-Hidden: yes",
                b"x-uidl : spaced-%d" % i], writer.words(8) + b"\n")


def mime(writer, i):
    border = b"=_border.%d" % i
    parts = [b"--" + border + b"\nContent-Type: text/plain; charset=utf-8\n\n.gr\xc3\xbc\xc3\x9fe\n",
             b"--" + border + b"\nContent-Type: application/octet-stream\n"
             b"Content-Transfer-Encoding: base64\n\n" + b"QUJD" * 19 + b"\n",
             b"--" + border + b"--\n"]
    writer.add([b"MIME-Version: 1.0",
                b'Content-Type: multipart/mixed;\n\tboundary="' + border + b'"'], b"\n".join(parts))


def giant_header(writer, i):
    many = [b"Received: from h%d.example (folded\n\tby hand)" % n for n in range(200 * (i + 1))]
    writer.add(many + [b"X-Long: " + b"z" * (20_000 * (i + 1))], writer.words(5) + b"\n")


def odd_header(writer, i):
    fields = [b"no colon here", b": no name", b"X-Empty:", b"X-Fold:\n \n\tx", b"Tab\t: x",
              b"From nobody in particular"]
    writer.add([fields[i % len(fields)]], writer.words(5) + b"\n")


def separator_forms(writer, i):
    forms = [b"From x@y Thu Jan  1 00:00 1970", b"From x@y Thu Jan  1 00:00:00 GMT 1970",
             b"From x@y Thu Jan  1 00:00:00 1970 +0100", b"From Thu Jan  1 00:00:00 1970",
             b"From x y z Thu Jan  1 00:00:00 1970", b"From x@y Thu Jan  1 00:00:00 1970 remote from h",
             b"From x@y Thu Jan  1 00:00:00 MET 1970", b"From x@y Thu Jan  1 00:00:00 1970\r"]
    writer.add([], writer.words(5) + b"\n", separator=forms[i % len(forms)])


KINDS = [dots, long_lines, line_ends, crlf_message, nuls, eight_bit, no_final_newline, empty_body,
         header_only, quoted_from, lookalikes, content_length_right, content_length_wrong,
         content_length_nonsense, stored_id, stored_id_again, stored_id_invalid, imap_fields, mime,
         giant_header, odd_header, separator_forms]


def folder_internal():
    """The message in which an IMAP server keeps its notes; no client may see it."""
    return (b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n"
            b"Date: 01 Jan 1970 00:00:00 +0000\n"
            b"From: Mail System Internal Data <MAILER-DAEMON@example.org>\n"
            b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
            b"Message-ID: <1@example.org>\nX-IMAP: 0000000001 0000000200\nStatus: RO\n\n"
            b"This text is part of the internal format of your mail folder.\n\n")


def awkward_spool(count, seed, longest_line=1_200_000, without=()):
    """`count` messages of all kinds but some, and one message more that is the folder's own."""
    writer = Writer(seed, longest_line)
    kinds = [kind for kind in KINDS if kind not in without]
    for number in range(count):
        kinds[number % len(kinds)](writer, number // len(kinds))
    return folder_internal() + writer.spool(), writer.stored
