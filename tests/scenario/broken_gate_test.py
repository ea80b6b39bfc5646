#!/usr/bin/env python3
"""A gate that was broken into: what it can get from a real keeper, and what it can reach."""

import array
import contextlib
import hmac
import itertools
import os
import random
import socket
import struct
import subprocess

import daemon_processes
import popper_host
from popper_host import PATIENCE, HostTest

# As the master places them.
SETTINGS, CHANNEL, PULSE, STAMPS, CENSUS, ORDERS, VOUCHERS = 3, 4, 5, 6, 8, 9, 10
STAMPS_WANTED, PASSWORD, APOP, SASL_BEGIN, SASL_RESPONSE, KERBEROS = 1, 2, 3, 4, 5, 6
STAMPS_GIVEN, VERDICT, SASL_CHALLENGE = 65, 66, 67
ACCEPTED, REJECTED, UNAVAILABLE = 0, 1, 2
SECRET = b"a secret of jo"


def field(octets):
    return struct.pack("<I", len(octets)) + octets


def number32(value):
    return field(struct.pack("<I", value))


def number64(value):
    return field(struct.pack("<Q", value))


NO_SPEECH = field(b"\0") + field(b"")  # neither UTF8 nor LANG was said


def stamps_wanted(count=1, returned=()):
    return (bytes([STAMPS_WANTED]) + number32(count) + number32(len(returned))
            + b"".join(field(stamp) for stamp in returned))


def password_attempt(connection, user, password, address=b"127.0.0.1", pipelined=b"", name=b"",
                     relayed=False):
    return (bytes([PASSWORD]) + number64(connection)
            + b"".join(map(field, (user, password, address, pipelined, name)))
            + field(bytes([relayed])) + field(b"\0") + field(b"\0") + number32(0) + number32(0)
            + NO_SPEECH)


def apop_attempt(connection, user, stamp, digest, address=b"127.0.0.1"):
    return (bytes([APOP]) + number64(connection)
            + b"".join(map(field, (user, stamp, digest, address, b"", b"", b"\0", b"\0")))
            + number32(0) + NO_SPEECH)


def sasl_begin(connection, mechanism, response=None, address=b"127.0.0.1", relayed=False,
               over_tls=False, bindings=(), identity=b"", has_response=None):
    if has_response is None:
        has_response = response is not None
    return (bytes([SASL_BEGIN]) + number64(connection)
            + b"".join(map(field, (mechanism, bytes([has_response]), response or b"", address, b"",
                                   b"", bytes([relayed]), bytes([over_tls]))))
            + number32(256 if over_tls else 0) + number32(len(bindings))
            + b"".join(field(kind) + field(data) for kind, data in bindings)
            + field(identity) + number32(0) + NO_SPEECH)


def sasl_response(connection, response=b""):
    return (bytes([SASL_RESPONSE]) + number64(connection)
            + b"".join(map(field, (response, b"", b""))))


def kerberos_attempt(connection, user, voucher, address=b"127.0.0.1"):
    return (bytes([KERBEROS]) + number64(connection)
            + b"".join(map(field, (user, voucher, address, b"", b"", b"\0", b"\0", b"\0", b"")))
            + number32(0) + NO_SPEECH)


def fields_of(frame):
    """Where each field begins and ends."""
    at, places = 1, []
    while at < len(frame):
        size, = struct.unpack_from("<I", frame, at)
        places.append((at, at + 4 + size))
        at += 4 + size
    return places


class Keeper:
    """A keeper process, with the test in the place of its gate."""

    def __init__(self, host, config):
        with open(config, "rb") as stream:
            settings = self.memory(b"stderr\nhost.example\n\n" + stream.read())
        pulse, stamps, census = self.memory(size=24), self.memory(size=1 << 20), self.memory(size=1 << 20)
        vouchers = self.memory(os.urandom(32))
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(PATIENCE)
        self.orders, its_orders = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log = os.path.join(host.root, f"log.keeper{id(self)}")
        places = {settings: SETTINGS, theirs.fileno(): CHANNEL, pulse: PULSE, stamps: STAMPS,
                  census: CENSUS, its_orders.fileno(): ORDERS, vouchers: VOUCHERS}

        def take_places():
            high = {os.dup2(given, 100 + place): place for given, place in places.items()}
            for given, place in high.items():
                os.dup2(given, place)
                os.close(given)

        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([popper_host.POPPER, "role:keeper"], stdin=log,
                                            stdout=log, stderr=log, close_fds=False,
                                            preexec_fn=take_places)
        theirs.close()
        its_orders.close()
        for descriptor in (settings, pulse, stamps, census, vouchers):
            os.close(descriptor)

    @staticmethod
    def memory(content=b"", size=0):
        descriptor = os.memfd_create("test", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, size or len(content))
        os.pwrite(descriptor, content, 0)
        return descriptor

    def send(self, record, *descriptors):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            self.channel.sendmsg([record], rights if descriptors else [])

    def answer(self):
        """The next record, empty when the keeper has hung up."""
        try:
            return self.channel.recv(1 << 16)
        except ConnectionResetError:
            return b""

    def verdict(self):
        return self.outcome_in(self.answer())

    @staticmethod
    def outcome_in(record):
        assert record[0] == VERDICT, record
        outcome, = struct.unpack_from("<I", record, 1 + 12 + 4)
        return outcome

    def challenge(self):
        """Its octets, and whether it is for the client."""
        record = self.answer()
        assert record[0] == SASL_CHALLENGE, record
        begin, end = fields_of(record)[1]
        return record[begin + 4:end], record[-4] == 0

    def sessions(self):
        children = [process for process in daemon_processes.all_processes()
                    if process.parent == self.process.pid]
        # A session that has just begun has its name, too: but one is it.
        nursery = next((child for child in children if child.name == "pop-nursery"), None)
        return [child for child in children if child is not nursery]

    def close(self):
        self.channel.close()
        self.orders.close()
        try:
            self.process.wait(PATIENCE)
        finally:
            popper_host.stop(self.process)


class BrokenGateTest(HostTest):
    def setUp(self):
        super().setUp()
        self.config = self.host.configure("broken.conf")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.name = self.user.name.encode()
        self.password = self.user.password.encode()

    @contextlib.contextmanager
    def keeper(self):
        keeper = Keeper(self.host, self.config)
        try:
            yield keeper
        finally:
            keeper.close()

    def client(self):
        """A connection over TCP: its own end, and the one that a gate would hold."""
        near = socket.create_connection(self.listener.getsockname(), timeout=PATIENCE)
        far, _ = self.listener.accept()
        self.addCleanup(near.close)
        self.addCleanup(far.close)
        return near, far

    def assert_hangs_up(self, keeper):
        self.assertEqual(keeper.answer(), b"")
        self.assertEqual(keeper.sessions(), [])

    def test_a_keeper_answers_an_honest_gate(self):
        """What follows would show nothing with a keeper that answers nobody."""
        with self.keeper() as keeper:
            near, far = self.client()
            keeper.send(password_attempt(1, self.name, self.password), far.fileno())
            self.assertEqual(keeper.verdict(), ACCEPTED)
            far.close()
            self.assertTrue(near.recv(512).startswith(b"+OK"))
            near.sendall(b"QUIT\r\n")

    def test_a_relay_is_given_where_tls_is_served_only(self):
        """And then the session speaks with the gate, so the gate must be asked for nothing more."""
        with self.keeper() as keeper:
            _, far = self.client()
            keeper.send(password_attempt(1, self.name, self.password, relayed=True), far.fileno())
            self.assert_hangs_up(keeper)
        self.config = self.host.configure("broken.conf", tls_server_cert_file="/nowhere.pem")
        with self.keeper() as keeper:
            _, far = self.client()
            keeper.send(password_attempt(1, self.name, b"wrong", relayed=True), far.fileno())
            record, descriptors, _, _ = socket.recv_fds(keeper.channel, 1 << 16, 4)
            self.assertEqual((record[0], descriptors), (VERDICT, []))
            _, far = self.client()
            keeper.send(password_attempt(2, self.name, self.password, relayed=True), far.fileno())
            record, descriptors, _, _ = socket.recv_fds(keeper.channel, 1 << 16, 4)
            self.assertEqual((record[0], len(descriptors)), (VERDICT, 1))
            with socket.socket(fileno=descriptors[0]) as session:
                session.settimeout(PATIENCE)
                self.assertTrue(session.recv(512).startswith(b"+OK"))
                session.sendall(b"QUIT\r\n")

    def test_a_login_cannot_be_claimed(self):
        verdict = bytes([VERDICT]) + number64(1) + number32(ACCEPTED) + field(b"")
        stamps = bytes([STAMPS_GIVEN]) + number32(60) + number32(0) + number32(0)
        _, far = self.client()
        for record in (verdict, stamps):
            for descriptors in ((), (far.fileno(),)):
                with self.subTest(record=record, descriptors=len(descriptors)), self.keeper() as keeper:
                    keeper.send(record, *descriptors)
                    self.assert_hangs_up(keeper)

    def test_frames_that_are_none(self):
        good = password_attempt(1, self.name, self.password)
        records = [b"x", bytes([0]), bytes([255]) * 100, good[:-1], good + b"\0", bytes(16 * 1024),
                   bytes([PASSWORD]) + b"\xff" * 64, good + bytes(20000),
                   stamps_wanted(65), stamps_wanted(1, [b"<1@h>"] * 65)]
        for record in records:
            with self.subTest(record=record[:40]), self.keeper() as keeper:
                _, far = self.client()
                keeper.send(record, far.fileno())
                self.assert_hangs_up(keeper)

    def test_every_two_frames_after_another(self):
        """Right ones are answered, the first wrong one ends it, and nobody is let in."""
        wrong = {"unknown": bytes([9]) + number32(1), "verdict": bytes([VERDICT]) + number64(1)}
        for first, second in itertools.product(("stamps", "password", "apop", *wrong), repeat=2):
            with self.subTest(first=first, second=second), self.keeper() as keeper:
                for connection, kind in enumerate((first, second), 1):
                    _, far = self.client()
                    if kind == "stamps":
                        keeper.send(stamps_wanted())
                    elif kind == "password":
                        keeper.send(password_attempt(connection, self.name, b"wrong"), far.fileno())
                    elif kind == "apop":
                        keeper.send(apop_attempt(connection, self.name, b"<1.1.1.1@host.example>",
                                                 b"0" * 32), far.fileno())
                    else:
                        keeper.send(wrong[kind])
                        self.assert_hangs_up(keeper)
                        break
                    if kind == "stamps":
                        self.assertEqual(keeper.answer()[0], STAMPS_GIVEN)
                    else:
                        self.assertEqual(keeper.verdict(), REJECTED)
                self.assertEqual(keeper.sessions(), [])

    # AUTH and Kerberos

    def with_secrets(self):
        file = self.host.path("credentials.gdbm")
        if not os.path.exists(file):
            for words, text in ((("init",), b""),
                                (("set", "jo", "--stdin", "--apop", "--uid", str(self.user.uid),
                                  "--gid", str(self.user.gid), "--home", self.user.home),
                                 SECRET + b"\n")):
                subprocess.run([popper_host.POPAUTH, *words, "-q", "--credential-file", file],
                               input=text, check=True, timeout=PATIENCE,
                               stdout=subprocess.DEVNULL)
        self.config = self.host.configure(
            "broken.conf", credential_file=file, tls_server_cert_file="/nowhere.pem",
            sasl_mechanisms="SCRAM-SHA-256-PLUS SCRAM-SHA-256 CRAM-MD5")

    def ask(self, keeper, record):
        near, far = self.client()
        keeper.send(record, far.fileno())
        return near

    def cram_answer(self, challenge, user, secret):
        return user + b" " + hmac.new(secret, challenge, "md5").hexdigest().encode()

    def test_exchanges_are_led_by_an_honest_gate(self):
        self.with_secrets()
        with self.keeper() as keeper:
            for connection, secret, outcome in ((1, b"wrong", REJECTED), (2, SECRET, ACCEPTED)):
                self.ask(keeper, sasl_begin(connection, b"CRAM-MD5"))
                challenge, for_client = keeper.challenge()
                self.assertTrue(for_client)
                answer = self.cram_answer(challenge, b"jo", secret)
                self.ask(keeper, sasl_response(connection, answer))
                self.assertEqual(keeper.challenge(), (b"", False))
                near = self.ask(keeper, sasl_response(connection))
                self.assertEqual(keeper.verdict(), outcome)
            near.sendall(b"QUIT\r\n")
            self.ask(keeper, kerberos_attempt(3, b"jo", b"no voucher of the acceptor's"))
            self.assertEqual(keeper.verdict(), REJECTED)

    def test_exchanges_that_lead_nobody_in(self):
        self.with_secrets()
        first = b"n,,n=jo,r=" + b"x" * 24
        begins = {
            "not wanted": sasl_begin(1, b"DIGEST-MD5"),
            "no exchange": sasl_begin(1, b"PLAIN", b"\0jo\0" + SECRET),
            "certificate": sasl_begin(1, b"EXTERNAL", b"", relayed=True, over_tls=True,
                                      identity=b"jo"),
            "root's certificate": sasl_begin(1, b"EXTERNAL", b"", relayed=True, over_tls=True,
                                             identity=b"root"),
            "bound to nothing": sasl_begin(1, b"SCRAM-SHA-256-PLUS", b"p=tls-exporter,," + first[3:],
                                           relayed=True, over_tls=True),
            "noise": sasl_begin(1, b"SCRAM-SHA-256", bytes(range(256)) * 20),
            "an initial response": sasl_begin(1, b"CRAM-MD5", b"jo x"),
        }
        with self.keeper() as keeper:
            for number, (name, record) in enumerate(begins.items(), 1):
                with self.subTest(begin=name):
                    self.ask(keeper, record[:1] + number64(number) + record[13:])
                    self.assertEqual(keeper.verdict(), REJECTED)
            for connection, response in enumerate((b"", b"jo", SECRET, bytes(30000)), 100):
                with self.subTest(response=response[:20]):
                    self.ask(keeper, sasl_response(connection, response))
                    self.assertEqual(keeper.verdict(), UNAVAILABLE)
            # The answer that the client gave counts, and not one that the gate gives later.
            self.ask(keeper, sasl_begin(200, b"CRAM-MD5"))
            challenge, _ = keeper.challenge()
            self.ask(keeper, sasl_response(200, self.cram_answer(challenge, b"jo", b"wrong")))
            self.assertEqual(keeper.challenge(), (b"", False))
            self.ask(keeper, sasl_response(200, self.cram_answer(challenge, b"jo", SECRET)))
            self.assertEqual(keeper.verdict(), REJECTED)
            self.assertEqual(keeper.sessions(), [])

    def test_exchanges_that_no_honest_gate_asks_for(self):
        self.with_secrets()
        begin = sasl_begin(1, b"SCRAM-SHA-256", b"n,,n=jo,r=x", relayed=True, over_tls=True,
                           bindings=[(b"tls-exporter", b"x" * 32)], identity=b"jo")
        good = {"begin": begin, "response": sasl_response(1, b"x"),
                "kerberos": kerberos_attempt(1, b"jo", b"voucher")}
        records = {
            "no mechanism": sasl_begin(1, b"NO-SUCH"), "empty mechanism": sasl_begin(1, b""),
            "TLS without a relay": sasl_begin(1, b"CRAM-MD5", over_tls=True),
            "another address": sasl_begin(1, b"CRAM-MD5", address=b"192.0.2.1"),
            "another address, Kerberos": kerberos_attempt(1, b"jo", b"", address=b"192.0.2.1"),
            "a response that is none": sasl_begin(1, b"CRAM-MD5", b"x", has_response=False),
            "no truth": sasl_begin(1, b"CRAM-MD5", b"x", has_response=2),
            "four bindings": sasl_begin(1, b"CRAM-MD5", bindings=[(b"k", b"d")] * 4),
            "too long": sasl_response(1, bytes(33000)),
        }
        for kind, frame in good.items():
            for number, (start, _) in enumerate(fields_of(frame)):
                records[f"{kind}, cut off at field {number}"] = frame[:start]
                records[f"{kind}, field {number} too long"] = (
                    frame[:start] + b"\xff" * 4 + frame[start + 4:])
        _, far = self.client()
        for name, record in records.items():
            with self.subTest(record=name), self.keeper() as keeper:
                keeper.send(record, far.fileno())
                self.assert_hangs_up(keeper)
                self.assertEqual(keeper.process.wait(PATIENCE), 0)
        for name, record in good.items():
            with self.subTest(without_a_client=name), self.keeper() as keeper:
                keeper.send(record)
                self.assert_hangs_up(keeper)

    def test_descriptors_that_are_no_client(self):
        null = os.open("/dev/null", os.O_RDWR)
        self.addCleanup(os.close, null)
        passwd = os.open("/etc/passwd", os.O_RDONLY)
        self.addCleanup(os.close, passwd)
        seqpacket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        datagrams = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        read, write = os.pipe()
        for descriptor in (read, write):
            self.addCleanup(os.close, descriptor)
        for end in (*seqpacket, *datagrams):
            self.addCleanup(end.close)
        cases = {"none": (), "file": (passwd,), "device": (null,), "pipe": (read,),
                 "channel": (seqpacket[0].fileno(),), "datagrams": (datagrams[0].fileno(),),
                 "two": (self.client()[1].fileno(), self.client()[1].fileno())}
        for name, descriptors in cases.items():
            with self.subTest(descriptor=name), self.keeper() as keeper:
                keeper.send(password_attempt(1, self.name, self.password), *descriptors)
                self.assert_hangs_up(keeper)
        with self.subTest(descriptor="listening"), self.keeper() as keeper:
            keeper.send(password_attempt(1, self.name, self.password), self.listener.fileno())
            self.assertNotEqual(keeper.verdict(), ACCEPTED)
            self.assertEqual(keeper.sessions(), [])

    def test_another_address_than_the_kernels(self):
        for address in (b"192.0.2.1", b"127.0.0.2", b"", b"localhost", b"::1", b"127.0.0.1\0"):
            with self.subTest(address=address), self.keeper() as keeper:
                _, far = self.client()
                keeper.send(password_attempt(1, self.name, self.password, address), far.fileno())
                self.assert_hangs_up(keeper)

    def test_a_connection_is_judged_once(self):
        with self.keeper() as keeper:
            _, far = self.client()
            keeper.send(password_attempt(7, self.name, b"wrong"), far.fileno())
            self.assertEqual(keeper.verdict(), REJECTED)
            keeper.send(password_attempt(7, self.name, self.password), far.fileno())
            self.assert_hangs_up(keeper)

    def test_names_that_are_no_users(self):
        """Nobody becomes root, and no name leads out of the spool directory."""
        with self.keeper() as keeper:
            names = (b"root", b"", b"../etc/passwd", b"a/b", b"%n%s", b"\0", self.name + b"\0root",
                     b"-f", b"x" * 4000)
            for connection, name in enumerate(names, 1):
                _, far = self.client()
                keeper.send(password_attempt(connection, name, self.password), far.fileno())
                self.assertNotEqual(keeper.verdict(), ACCEPTED)
            self.assertEqual(keeper.sessions(), [])

    def test_a_flood(self):
        """Whatever comes, in any order, until it hangs up: it lives or ends, and lets nobody in."""
        source = random.Random(4)
        for _ in range(5):
            with self.keeper() as keeper:
                keeper.channel.setblocking(False)
                _, far = self.client()
                with contextlib.suppress(OSError):
                    for _ in range(2000):
                        keeper.send(source.choice((stamps_wanted(64), source.randbytes(50),
                                                   stamps_wanted(0, [b"<1.1.1.1@host.example>"]),
                                                   sasl_begin(1, b"CRAM-MD5"),
                                                   sasl_response(1, source.randbytes(40)),
                                                   kerberos_attempt(1, b"jo", b"x"),
                                                   bytes([PASSWORD]) + source.randbytes(60))),
                                    *source.choice(((), (far.fileno(),))))
                keeper.channel.settimeout(PATIENCE)
                while record := keeper.answer():
                    if record[0] not in (STAMPS_GIVEN, SASL_CHALLENGE):
                        self.assertNotEqual(keeper.outcome_in(record), ACCEPTED)
                self.assertEqual(keeper.sessions(), [])
                self.assertEqual(keeper.process.wait(PATIENCE), 0)

    # What a gate has

    def test_a_gate_holds_connections_and_nothing_else(self):
        with self.host.standalone(self.config) as port:
            family = daemon_processes.Family(self.config)
            popper_host.wait_until(
                lambda: family.gates() and all(gate.status["Seccomp"] == "2"
                                               for gate in family.gates()), "gates are shut in")
            stranger = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            self.addCleanup(stranger.close)
            self.assertTrue(stranger.recv(512).startswith(b"+OK"))
            for gate in family.gates():
                self.assertEqual(gate.status["NoNewPrivs"], "1")
                self.assertEqual(int(gate.status["CapEff"], 16), 0)
                self.assertEqual(int(gate.status["CapPrm"], 16), 0)
                self.assertNotIn(0, gate.uids)
                self.assertEqual(os.listdir(f"/proc/{gate.pid}/root"), [])
                for number, name in gate.descriptors.items():
                    if number > 2:
                        self.assertRegex(name, r"^(socket:|anon_inode:\[eventpoll\])")
                with open(f"/proc/{gate.pid}/maps") as maps:
                    for line in maps:
                        rights = line.split()[1]
                        self.assertFalse("w" in rights and "x" in rights, line)


if __name__ == "__main__":
    popper_host.main()
