"""A host that serves TLS with a certificate of the test's own authority."""

import contextlib
import poplib
import socket
import ssl

import certificates
import popper_host
from popper_host import PATIENCE, HostTest


def capabilities(client):
    return {name.upper() for name in client.capa()}


def content_of(path):
    with open(path, "rb") as stream:
        return stream.read()


class TlsHostTest(HostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = certificates.Authority(cls.host.path("ca"))
        cls.certificate, cls.key = cls.authority.issue("host", "127.0.0.1", "pop.example.org")

    def setUp(self):
        super().setUp()
        self.host.write_spool(self.user, popper_host.simple_spool(3))

    # Servers and clients.

    def configure(self, support, **more):
        return self.host.configure(**{"tls_support": support, "tls_server_cert_file": self.certificate,
                                      "tls_private_key_file": self.key, **more})

    def implicit(self, *switches, **more):
        return self.host.standalone(self.configure("alternate-port", **more), *switches)

    def stls(self, *switches, **more):
        return self.host.standalone(self.configure("stls", **more), *switches)

    def dial(self, port, context=None, name="127.0.0.1", session=None):
        """A connection under TLS, its greeting unread."""
        plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        try:
            context = context or self.authority.client()
            return context.wrap_socket(plain, server_hostname=name, session=session)
        except BaseException:
            plain.close()
            raise

    def ask_for_tls(self, port):
        """A connection in clear, after +OK to STLS."""
        plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        stream = plain.makefile("rb")
        self.assertTrue(stream.readline().startswith(b"+OK"))
        plain.sendall(b"STLS\r\n")
        self.assertEqual(stream.readline(), b"+OK STLS\r\n")
        return plain

    def login(self, port, mode, context=None):
        context = context or self.authority.client()
        if mode == "stls":
            client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            client.stls(context)
        else:
            client = poplib.POP3_SSL("127.0.0.1", port, context=context, timeout=PATIENCE)
        client.user(self.user.name)
        client.pass_(self.user.password)
        return client

    def offers(self, port):
        with contextlib.closing(poplib.POP3("127.0.0.1", port, timeout=PATIENCE)) as client:
            return capabilities(client)

    def assert_refused(self, port, **more):
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            connection = self.dial(port, **more)
            with connection:
                if not connection.recv(100):  # TLS 1.3 tells a client only after its last word
                    raise ConnectionResetError

    def left(self):
        return self.host.read_spool(self.user).count(b"Subject: number")
