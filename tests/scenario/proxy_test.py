#!/usr/bin/env python3
"""Behind HAProxy, and behind somebody who pretends to be one."""

import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import time

import daemon_processes
import popper_host
from popper_host import PATIENCE, HostTest

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version_2(command, family, body):
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack(">H", len(body)) + body


def ipv4(source):
    return socket.inet_aton(source) + socket.inet_aton("192.0.2.99") + struct.pack(">HH", 4000, 110)


def fact(kind, value):
    return bytes([kind]) + struct.pack(">H", len(value)) + value


class ProxyTest(HostTest):
    @contextlib.contextmanager
    def haproxy(self, port, send):
        """Passes connections to a port of its own on to `port`, with a header as `send` says."""
        front = popper_host.free_port()
        config = self.host.write(self.host.path("haproxy.cfg"), f"""
global
    maxconn 100
defaults
    mode tcp
    timeout connect 20s
    timeout client 60s
    timeout server 60s
listen pop3
    bind 127.0.0.1:{front}
    server popper 127.0.0.1:{port} {send}
""".encode(), mode=0o644)
        with open(self.host.path("haproxy.log"), "wb") as log:
            process = subprocess.Popen(["haproxy", "-db", "-f", config], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log)
        try:
            popper_host.wait_until(lambda: popper_host.accepts(front), "haproxy listens")
            yield front
        finally:
            popper_host.stop(process)

    def daemon(self, **options):
        self.config = self.host.configure("proxy.conf",
                                          **{"proxy_networks": "127.0.0.0/24", **options})
        return self.host.standalone(self.config, "--debug")

    def connect(self, port, header, source="127.0.0.1"):
        client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE,
                                          source_address=(source, 0))
        self.addCleanup(client.close)
        client.sendall(header)
        return client

    def line(self, client):
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while not received.endswith(b"\n"):
                octet = client.recv(1)
                if not octet:
                    break
                received += octet
        return received

    def assert_closed(self, client):
        """Without a word."""
        self.assertEqual(self.line(client), b"")

    def log_in(self, client, password):
        for command in (f"USER {self.user.name}", f"PASS {password}"):
            client.sendall(command.encode() + b"\r\n")
            reply = self.line(client)
        return reply

    def test_through_haproxy(self):
        for send in ("send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c"):
            with self.subTest(send=send):
                self.host.write_spool(self.user, popper_host.simple_spool(2))
                with self.daemon() as port, self.haproxy(port, send) as front:
                    client = socket.create_connection(("127.0.0.1", front), timeout=PATIENCE,
                                                      source_address=("127.0.1.7", 0))
                    with contextlib.closing(client):
                        self.assertTrue(self.line(client).startswith(b"+OK"))
                        self.assertTrue(self.log_in(client, self.user.password).startswith(b"+OK"))
                        client.sendall(b"STAT\r\nQUIT\r\n")
                        self.assertTrue(self.line(client).startswith(b"+OK 2 "))
                        self.assertTrue(self.line(client).startswith(b"+OK"))
                    logins = [line for line in self.host.log(port).splitlines() if " login id=" in line]
                    self.assertEqual(len(logins), 1)
                    self.assertIn("from=127.0.1.7", logins[0])

    def test_the_clients_address_counts_in_limits_and_logs(self):
        with self.daemon(max_connections_per_address=1) as port:
            first = self.connect(port, b"PROXY TCP4 192.0.2.7 192.0.2.99 4000 110\r\n")
            self.assertTrue(self.line(first).startswith(b"+OK"))
            for again in (b"PROXY TCP4 192.0.2.7 192.0.2.99 4001 110\r\n",
                          b"PROXY TCP6 ::ffff:192.0.2.7 ::1 4001 110\r\n",
                          version_2(1, 0x11, ipv4("192.0.2.7"))):
                self.assertIn(b"-ERR [SYS/TEMP] Too many", self.line(self.connect(port, again)))
            other = self.connect(port, version_2(1, 0x11, ipv4("192.0.2.8")))
            self.assertTrue(self.line(other).startswith(b"+OK"))
            self.assertIn(b"[AUTH]", self.log_in(other, "wrong"))
            self.assertIn("(192.0.2.8)", self.host.log(port))
            # IPv6 addresses of one network count together.
            v6 = self.connect(port, b"PROXY TCP6 2001:db8::1 ::1 4000 110\r\n")
            self.assertTrue(self.line(v6).startswith(b"+OK"))
            v6_again = self.connect(port, b"PROXY TCP6 2001:db8::2 ::1 4000 110\r\n")
            self.assertIn(b"-ERR [SYS/TEMP] Too many", self.line(v6_again))

    def test_failures_delay_the_client_and_not_the_proxy(self):
        with self.daemon(failure_delay=30, failure_delay_most=30) as port:
            header = b"PROXY TCP4 192.0.2.%d 192.0.2.99 4000 110\r\n"
            bad = self.connect(port, header % 7)
            self.assertTrue(self.line(bad).startswith(b"+OK"))
            self.assertIn(b"[AUTH]", self.log_in(bad, "wrong"))
            good = self.connect(port, header % 8)
            self.assertTrue(self.line(good).startswith(b"+OK"))
            self.assertTrue(self.log_in(good, self.user.password).startswith(b"+OK"))

    def test_a_header_in_pieces_and_commands_right_behind_it(self):
        with self.daemon() as port:
            header = version_2(1, 0x11, ipv4("192.0.2.7") + fact(0x20, b"\x01\0\0\0\0"
                                                                 + fact(0x21, b"TLSv1.3")))
            client = self.connect(port, b"")
            for octet in header:
                client.sendall(bytes([octet]))
            client.sendall(b"QUIT\r\n")
            self.assertTrue(self.line(client).startswith(b"+OK"))
            self.assertTrue(self.line(client).startswith(b"+OK"))
            self.assertEqual(self.line(client), b"")
            popper_host.wait_until(lambda: "tls=TLSv1.3" in self.host.log(port), "TLS is logged")

    def test_the_proxy_speaks_for_itself(self):
        with self.daemon() as port:
            for header in (b"PROXY UNKNOWN\r\n", version_2(0, 0, b"")):
                client = self.connect(port, header)
                self.assertTrue(self.line(client).startswith(b"+OK"))
                self.assertTrue(self.log_in(client, self.user.password).startswith(b"+OK"))
                client.sendall(b"QUIT\r\n")
                self.line(client)
            self.assertIn("from=127.0.0.1", self.host.log(port))

    def test_a_connection_without_a_header_is_closed(self):
        with self.daemon() as port:
            for first in (b"USER jo\r\n", b"PROXY TCP4 nonsense\r\n", b"\r\n\r\n\0\r\nQUIT\r",
                          b"PROXY UNKNOWN " + b"x" * 200, version_2(1, 0x11, b"short"),
                          SIGNATURE + b"\x21\x11\xff\xff", b"GET / HTTP/1.0\r\n\r\n"):
                with self.subTest(first=first):
                    self.assert_closed(self.connect(port, first))
            self.assertIn(" no-proxy-header ", self.host.log(port))

    @contextlib.contextmanager
    def nobody_is_greeted(self, port):
        """Keepers stand still, and what they had given in advance has been used up; yields a client
        from behind the proxy that waits for its greeting."""
        family = daemon_processes.Family(self.config)
        all_keepers = daemon_processes.KEEPERS * len(os.sched_getaffinity(0))
        popper_host.wait_until(lambda: len(family.keepers()) == all_keepers, "all keepers run")
        keepers = [keeper.pid for keeper in family.keepers()]
        for keeper in keepers:
            os.kill(keeper, signal.SIGSTOP)
        try:
            clients = [self.connect(port, b"PROXY TCP4 192.0.2.7 192.0.2.99 4000 110\r\n")
                       for _ in range(60 * len(family.gates()))]
            time.sleep(1)
            greeted = select.select(clients, [], [], 0)[0]
            yield [client for client in clients if client not in greeted]
        finally:
            for keeper in keepers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(keeper, signal.SIGCONT)

    def apop_daemon(self):
        """Where greetings have stamps, so that keepers have a part in them."""
        credentials = self.host.path("credentials.gdbm")
        if not os.path.exists(credentials):
            subprocess.run([popper_host.POPAUTH, "init", "-q", "--credential-file", credentials],
                           check=True, timeout=PATIENCE)
        return self.daemon(credential_file=credentials)

    def resident(self):
        return sum(gate.resident for gate in daemon_processes.Family(self.config).gates())

    def test_what_is_sent_before_the_greeting_fills_no_memory(self):
        with self.apop_daemon() as port, self.nobody_is_greeted(port) as waiting:
            before = self.resident()
            client = waiting[0]
            client.settimeout(2)
            sent = 0
            with contextlib.suppress(OSError):
                while sent < 64 << 20:
                    sent += client.send(b"x" * 65536)
            self.assertLess(self.resident() - before, 4 << 20)

    def test_much_input_before_the_greeting_costs_no_keeper(self):
        with self.apop_daemon() as port:
            with self.nobody_is_greeted(port) as waiting:
                for client in waiting[:30]:
                    client.settimeout(0)
                    with contextlib.suppress(OSError):
                        client.send(b"USER a\r\nPASS b\r\n" + b"NOOP\r\n" * 4000)
            for client in waiting[:30]:
                client.settimeout(PATIENCE)
                self.assertTrue(self.line(client).startswith((b"+OK", b"-ERR")))
            good = self.connect(port, b"PROXY TCP4 192.0.2.8 192.0.2.99 4000 110\r\n")
            self.assertTrue(self.line(good).startswith(b"+OK"))
            self.assertTrue(self.log_in(good, self.user.password).startswith(b"+OK"))
            self.assertNotIn(" keeper-lost ", self.host.log(port))

    def test_a_client_from_nowhere_does_not_cut_the_gate_off(self):
        nowhere = bytes(16) + socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(">HH", 1, 2)
        with self.daemon() as port:
            for _ in range(4):
                self.assert_closed(self.connect(port, version_2(1, 0x21, nowhere)))
            good = self.connect(port, b"PROXY TCP4 192.0.2.8 192.0.2.99 4000 110\r\n")
            self.assertTrue(self.line(good).startswith(b"+OK"))
            self.assertTrue(self.log_in(good, self.user.password).startswith(b"+OK"))
            self.assertNotIn("broke the rules", self.host.log(port))

    def test_a_proxy_says_nothing_before_its_header(self):
        """And neither does popper, since it does not know yet whom it greets."""
        with self.daemon(login_timeout=2, timeout=2) as port:
            client = self.connect(port, b"")
            self.assertFalse(select.select([client], [], [], 0.5)[0])
            self.assert_closed(client)

    def test_from_elsewhere_a_header_is_no_header(self):
        with self.daemon() as port:
            client = self.connect(port, b"PROXY TCP4 127.0.0.1 192.0.2.99 4000 110\r\nCAPA\r\n",
                                  source="127.0.1.1")
            self.assertTrue(self.line(client).startswith(b"+OK"))
            self.assertTrue(self.line(client).startswith(b"-ERR"))
            self.assertEqual(self.line(client), b"")


if __name__ == "__main__":
    popper_host.main()
