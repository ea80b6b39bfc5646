#!/usr/bin/env python3
"""Clients under TLS that take their mail slowly: served as long as they take something."""

import contextlib
import socket
import time

import popper_host
import tls_host
from popper_host import PATIENCE, wait_until

TIMEOUT = 4  # of the server
SLOWLY = 2048  # octets at a time, a tenth of a second between: far below 100 KB in TIMEOUT


class SlowTest(tls_host.TlsHostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.host.add_user("b")

    def fill(self, user, size):
        self.host.write_spool(user, popper_host.simple_spool(
            1, body=b"".join(b"%070d\n" % i for i in range(size // 71))))

    def ask_for_all(self, port, user):
        """RETR, DELE and QUIT at once, from a client whose host takes little ahead."""
        plain = socket.socket()
        plain.settimeout(PATIENCE)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect(("127.0.0.1", port))
        client = self.authority.client().wrap_socket(plain, server_hostname="127.0.0.1")
        client.sendall(f"USER {user.name}\r\nPASS {user.password}\r\n"
                       "RETR 1\r\nDELE 1\r\nQUIT\r\n".encode())
        return client

    def messages_of(self, user):
        return self.host.read_spool(user).count(b"Subject: number")

    def test_who_takes_something_is_served_to_the_end_and_who_takes_nothing_is_given_up(self):
        size = 200_000
        self.fill(self.user, size)
        self.fill(self.other, 8_000_000)  # more than all buffers on the way hold
        with self.implicit(timeout=TIMEOUT) as port, contextlib.ExitStack() as clients:
            stuck = clients.enter_context(self.ask_for_all(port, self.other))
            slow = clients.enter_context(self.ask_for_all(port, self.user))
            began, heard = time.monotonic(), b""
            while piece := slow.recv(SLOWLY):
                heard += piece
                time.sleep(0.1)
            self.assertGreater(time.monotonic() - began, 2 * TIMEOUT)
            self.assertGreater(len(heard), size)
            self.assertTrue(heard.endswith(b"signing off.\r\n"), heard[-100:])
            wait_until(lambda: self.messages_of(self.user) == 0, "what has arrived is deleted")
            wait_until(lambda: f"user={self.other.name} " in self.ended(port), "the other is given up",
                       PATIENCE + TIMEOUT)
            self.assertNotIn("how=quit", next(line for line in self.ended(port).splitlines()
                                              if f"user={self.other.name} " in line))
            self.assertEqual(self.messages_of(self.other), 1)
            del stuck

    def ended(self, port):
        return "\n".join(line for line in self.host.log(port).splitlines() if "session-end" in line)


if __name__ == "__main__":
    popper_host.main()
