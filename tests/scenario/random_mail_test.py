#!/usr/bin/env python3
"""Random mail from 1 KB to 5 MB comes out as it went in; TOP gives exactly the lines asked for."""

import random
import socket

import popper_host
import spool_reader
from popper_host import PATIENCE, SEPARATOR, HostTest, message_of, sizes_of, top_of

SIZES = [1000, 1023, 1024, 4095, 4096, 8193, 65_535, 65_536, 200_001, 1_000_000, 5_000_000]
SEED = 1939


def random_body(rng, size):
    """Bytes of all kinds; no line is a From_ line."""
    body = bytearray(rng.randbytes(size))
    for position in range(0, size, rng.choice([7, 60, 900])):
        body[position:position + 1] = rng.choice([b"\n", b"\n.", b"\r\n", b"\n\n", b"\n..\n"])
    return bytes(body).replace(b"\nFrom ", b"\n>rom ") + b"\n"


class RandomMailTest(HostTest):
    def setUp(self):
        super().setUp()
        rng = random.Random(SEED)
        self.spool = b"".join(
            SEPARATOR + popper_host.simple_message(n, random_body(rng, size))
            for n, size in enumerate(SIZES, start=1))
        self.messages = spool_reader.read(self.spool)
        self.assertEqual(len(self.messages), len(SIZES))

    def check(self, **options):
        self.host.fill(self.user, self.spool)
        with self.host.serving(self.host.configure(**options)) as port:
            client = self.host.login(port, self.user)
            self.assertEqual(sizes_of(client), [len(m.wire) for m in self.messages])
            for number, message in enumerate(self.messages, start=1):
                self.assertTrue(message_of(client, number) == message.wire, f"RETR {number}")
                self.check_top(client, number, message)
            client.quit()

    def check_top(self, client, number, message):
        lines = message.wire.count(b"\n")
        for count in {0, 1, 2, 3, 10, lines // 2, lines - 4, lines, lines + 1, 10 ** 9}:
            if count >= 0 and len(message.wire) <= 1_100_000:
                self.assertTrue(
                    top_of(client, number, count) == spool_reader.top_text(message.stored, count),
                    f"TOP {number} {count}")

    def test_normal_mode(self):
        self.check()

    def test_server_mode(self):
        self.check(server_mode=True)

    def test_pipelined_commands_are_answered_in_order(self):
        """Everything in one write, login included; the replies as octets."""
        self.host.fill(self.user, self.spool)
        commands = ["STAT", "RETR 1", "NOOP", "TOP 2 1", "RETR 9", "LIST 3", "DELE 1", "RSET", "QUIT"]
        with self.host.serving(self.host.configure(server_mode=True)) as port:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
                lines = [f"USER {self.user.name}", f"PASS {self.user.password}", *commands]
                connection.sendall("".join(line + "\r\n" for line in lines).encode())
                got = b"".join(iter(lambda: connection.recv(65536), b""))
        wires = [m.wire for m in self.messages]
        replies = got.split(b"\r\n", 3)
        self.assertIn(b"11 visible messages", replies[2])
        want = b"".join([
            b"+OK %d %d\r\n" % (len(wires), sum(map(len, wires))),
            b"+OK %d octets\r\n" % len(wires[0]), stuffed(wires[0]), b"+OK no big woop\r\n",
            b"+OK Message follows\r\n", stuffed(spool_reader.top_text(self.messages[1].stored, 1)),
            b"+OK %d octets\r\n" % len(wires[8]), stuffed(wires[8]),
            b"+OK 3 %d\r\n" % len(wires[2]), b"+OK Message 1 has been deleted.\r\n",
            b"+OK Maildrop has %d messages (%d octets)\r\n" % (len(wires), sum(map(len, wires)))])
        self.assertTrue(replies[3].startswith(want), replies[3][:200])
        self.assertRegex(replies[3][len(want):], rb"^\+OK Pop server at \S+ signing off\.\r\n$")


def stuffed(wire):
    return b"".join(b"." + line if line.startswith(b".") else line
                    for line in spool_reader.lines_of(wire)) + b".\r\n"


if __name__ == "__main__":
    popper_host.main()
