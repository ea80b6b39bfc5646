#!/usr/bin/env python3
"""TLS: from the first octet on and after STLS, under every start, with what the options say."""

import contextlib
import os
import poplib
import re
import signal
import socket
import ssl
import struct
import subprocess
import time

import certificates
import daemon_processes
import popper_host
import tls_host
from popper_host import PATIENCE, HostTest, message_of, wait_until
from tls_host import capabilities, content_of

NEXT_LOOK = 30  # longer than two looks at the certificate files


class TlsTest(tls_host.TlsHostTest):
    # Sessions.

    def check_session(self, port, mode):
        self.host.write_spool(self.user, popper_host.simple_spool(3))
        client = self.login(port, mode)
        self.assertIn(b"Subject: number 2", message_of(client, 2))
        client.dele(2)
        client.quit()
        wait_until(lambda: self.left() == 2, "the deletion is done")

    def test_every_start_speaks_tls(self):
        for mode in ("stls", "alternate-port"):
            config = self.configure(mode)
            for start in ("standalone", "inetd", "inetd_wait", "systemd"):
                with self.subTest(mode=mode, start=start):
                    with getattr(self.host, start)(config) as port:
                        self.check_session(port, mode)

    def test_a_server_without_root_speaks_tls(self):
        folder = os.path.join(self.user.home, "tls")
        os.mkdir(folder)
        os.chown(folder, self.user.uid, self.user.gid)
        mine = [self.host.write(os.path.join(folder, os.path.basename(path)),
                                content_of(path), owner=self.user.uid, mode=0o600)
                for path in (self.certificate, self.key)]
        config = self.configure("alternate-port", tls_server_cert_file=mine[0],
                                tls_private_key_file=mine[1])
        with self.host.single_user(config) as port:
            self.check_session(port, "alternate-port")

    def test_each_listener_has_its_own_mode(self):
        ports = {mode: popper_host.free_port() for mode in ("none", "stls", "implicit")}
        tables = "".join(f'[[listen]]\naddress = "127.0.0.1:{port}"\ntls = "{mode}"\n'
                         for mode, port in ports.items())
        config = self.host.write(self.host.path("three.toml"), f"""
spool-dir = "{self.host.spool_dir}"
pam-service = "{self.host.add_pam_service()}"
tls-server-cert-file = "{self.certificate}"
tls-private-key-file = "{self.key}"
{tables}""".encode(), mode=0o644)
        with open(self.host.path("log.three"), "wb") as log:
            process = subprocess.Popen([popper_host.POPPER, "--foreground", "-f", config],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(lambda: popper_host.accepts(ports["implicit"]), "popper listens")
            self.assertNotIn("STLS", self.offers(ports["none"]))
            self.assertIn("STLS", self.offers(ports["stls"]))
            self.check_session(ports["stls"], "stls")
            self.check_session(ports["implicit"], "implicit")
            self.assertIn(f"on=127.0.0.1:{ports['stls']} tls=stls", self.host.log("three"))
        finally:
            popper_host.stop(process)

    def test_the_switch_turns_it_on(self):
        config = self.configure(None)
        with self.host.standalone(config) as port:
            self.assertNotIn("STLS", self.offers(port))
        with self.host.standalone(config, "-l", "1") as port:
            self.assertIn("STLS", self.offers(port))
        with self.host.standalone(config, "-l2") as port:
            self.check_session(port, "alternate-port")

    def test_systemd_names_a_socket_s_mode(self):
        with contextlib.closing(popper_host.SmallSystemd(
                [popper_host.POPPER, "-f", self.configure(None)], self.host.root,
                names=["implicit"])) as server:
            server.wait_for_notice("READY=1")
            self.check_session(server.port, "implicit")

    def test_large_mail_comes_whole_both_ways(self):
        body = b"".join(b"%070d\n" % i for i in range(100_000))
        self.host.write_spool(self.user, popper_host.simple_spool(1, body=body))
        with self.implicit() as port:
            client = self.login(port, "implicit")
            self.assertIn(body.replace(b"\n", b"\r\n"), message_of(client, 1))
            client.quit()

    def test_stls_is_offered_once(self):
        with self.stls() as port:
            client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            self.assertIn("STLS", capabilities(client))
            client.stls(self.authority.client())
            self.assertNotIn("STLS", capabilities(client))
            self.assert_says("TLS in progress", client._shortcmd, "STLS")
            client.user(self.user.name)
            client.pass_(self.user.password)
            self.assertNotIn("STLS", capabilities(client))
            self.assert_says("before login", client._shortcmd, "STLS")
            client.quit()

    def test_without_tls_there_is_no_stls(self):
        with self.host.standalone(self.configure("none")) as port:
            self.assertNotIn("STLS", self.offers(port))

    def test_a_name_given_in_clear_is_forgotten(self):
        with self.stls() as port:
            client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            client.user(self.user.name)
            client.stls(self.authority.client())
            self.assert_says("-ERR", client.pass_, self.user.password)
            client.user(self.user.name)
            client.pass_(self.user.password)
            client.quit()

    def test_clear_text_password_tls(self):
        with self.stls(clear_text_password="tls") as port:
            client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            self.assertNotIn("USER", capabilities(client))
            self.assert_says("You must use TLS/SSL", client.user, self.user.name)
            client.stls(self.authority.client())
            self.assertIn("USER", capabilities(client))
            client.user(self.user.name)
            client.pass_(self.user.password)
            self.assertIn("USER", capabilities(client))
            client.quit()

    # What an attacker puts in front of the handshake.

    INJECTIONS = (b"USER injected\r\n", b"CAPA\r\n", b"QUIT\r\n", b"NOOP\r\nNOOP\r\n", b"STLS\r\n",
                  b"USER injected\r\nPASS x\r\n", b"\x00\xff\x80 garbage \r\n", b"USER no-line-end",
                  b"\x16\x03\x01\x00\x05hello", b"PASS " + b"x" * 20 + b"\r\n")

    def inject(self, port, first, second):
        """What the server answers under TLS to CAPA and PASS, or nothing if there is no TLS."""
        plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with plain:
            heard = plain.recv(1000)
            plain.sendall(first)
            if second:
                plain.sendall(second)
            while heard.count(b"\r\n") < 2:
                heard += plain.recv(1000) or b"\r\n"
            self.assertRegex(heard, rb"^\+OK [^\r]*\r\n\+OK STLS\r\n$")  # the last words in clear
            try:
                with self.authority.client().wrap_socket(plain,
                                                         server_hostname="127.0.0.1") as secured:
                    secured.sendall(b"CAPA\r\nPASS x\r\nQUIT\r\n")
                    answer = b""
                    while piece := secured.recv(4096):
                        answer += piece
                    return answer
            except (ssl.SSLError, ConnectionError):
                return None

    def test_nothing_injected_before_the_handshake_is_ever_answered(self):
        cases = secured = 0
        with self.stls() as port:
            for payload in self.INJECTIONS:
                whole = b"STLS\r\n" + payload
                for cut in range(len(whole) + 1):
                    answer = self.inject(port, whole[:cut], whole[cut:])
                    cases += 1
                    if answer is None:
                        continue
                    secured += 1
                    with self.subTest(payload=payload, cut=cut):
                        lines = answer.split(b"\r\n")
                        self.assertEqual(lines[0], b"+OK Capability list follows")
                        end = lines.index(b".")
                        self.assertRegex(lines[end + 1], b"^-ERR ")  # PASS without USER
                        self.assertRegex(lines[end + 2], b"^.OK .*signing off")
                        self.assertEqual(lines[end + 3:], [b""])
        self.assertGreaterEqual(cases, 150)
        self.assertGreater(secured, 0)

    def test_what_comes_between_ok_and_the_handshake_ends_the_connection(self):
        with self.stls() as port:
            for octets in (b"USER injected\r\n", b"GET / HTTP/1.0\r\n\r\n", b"\0" * 50):
                with self.ask_for_tls(port) as plain:
                    plain.sendall(octets)
                    rest = b""
                    with contextlib.suppress(ConnectionError):
                        while piece := plain.recv(1000):
                            rest += piece
                    self.assertNotIn(b"+OK", rest)
                    self.assertNotIn(b"-ERR", rest)
            self.check_session(port, "stls")

    def test_a_failed_handshake_ends_the_connection_and_is_logged(self):
        with self.implicit() as port:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain:
                plain.sendall(b"USER x\r\nPASS y\r\n")
                with contextlib.suppress(ConnectionError):
                    self.assertNotIn(b"+OK", plain.recv(1000))
            why = '"the client does not speak TLS"'
            wait_until(lambda: why in self.host.log(port), "the failure is logged")
            self.assertRegex(self.host.log(port), rf"tls-failed id=\w+ from=127.0.0.1 why={why}")
            self.assertIn("TLS/SSL Handshake failed: the client does not speak TLS",
                          self.host.log(port))

    def test_failed_handshakes_do_not_flood_the_log(self):
        with self.implicit() as port:
            for _ in range(200):
                with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain:
                    plain.sendall(b"USER x\r\n")
                    with contextlib.suppress(ConnectionError):
                        plain.recv(1000)
            wait_until(lambda: "tls-failed" in self.host.log(port), "the first is logged")
            self.assertLess(self.host.log(port).count("tls-failed"), 100)

    def break_handshakes(self, port, count):
        """By a client that refuses the certificate."""
        for _ in range(count):
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.dial(port, context=ssl.create_default_context()).close()

    def test_a_few_broken_handshakes_hold_nobody_up_and_many_their_own_address(self):
        with self.implicit() as port:
            self.break_handshakes(port, 40)
            self.check_session(port, "implicit")
            self.assertNotIn("handshakes-wait", self.host.log(port))
            for _ in range(400):  # each gate counts for itself
                if "handshakes-wait" in self.host.log(port):
                    break
                self.break_handshakes(port, 1)
            self.assertIn("handshakes-wait from=127.0.0.1 times=", self.host.log(port))
            others = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE,
                                              source_address=("127.0.0.3", 0))
            with self.authority.client().wrap_socket(others, server_hostname="127.0.0.1") as other:
                self.assertTrue(other.recv(1000).startswith(b"+OK"))
            self.assertNotIn("handshakes-wait from=127.0.0.3", self.host.log(port))
            self.check_session(port, "implicit")  # in the end

    # Handshakes that take their time.

    def test_slow_handshakes_hold_nobody_up_and_end(self):
        with self.implicit(login_timeout=4) as port:
            slow = []
            for i in range(50):
                connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
                connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[:i % 12])
                slow.append(connection)
            self.check_session(port, "implicit")
            for connection in slow:
                with connection, contextlib.suppress(ConnectionError):
                    self.assertIn(connection.recv(100)[:1], (b"", b"\x15"))  # an alert, at most
            self.assertIn("it took too long", self.host.log(port))

    def test_limits_hold_before_the_handshake(self):
        with self.implicit(max_connections_per_address=3) as port:
            held = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
                    for _ in range(3)]
            extra = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            self.assertEqual(extra.recv(100), b"")  # nothing in clear
            for connection in [*held, extra]:
                connection.close()
            wait_until(lambda: not isinstance(self.try_session(port), Exception),
                       "there is room again")

    def try_session(self, port):
        try:
            return self.check_session(port, "implicit")
        except (ssl.SSLError, OSError, poplib.error_proto) as problem:
            return problem

    # Behind a proxy.

    def test_the_header_of_a_proxy_comes_before_the_handshake(self):
        body = (socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.99")
                + struct.pack(">HH", 4000, 995))
        header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", len(body)) + body
        with self.implicit(proxy_networks="127.0.0.0/8") as port:
            for pieces in ([header], [header[:1], header[1:]], [header[:-1], header[-1:]]):
                plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                secured = self.authority.client().wrap_bio(incoming, outgoing,
                                                           server_hostname="127.0.0.1")
                with contextlib.suppress(ssl.SSLWantReadError):
                    secured.do_handshake()
                for piece in pieces[:-1]:
                    plain.sendall(piece)
                    time.sleep(0.05)
                plain.sendall(pieces[-1] + outgoing.read())  # with the first message of TLS
                greeting = b""
                while not greeting:
                    incoming.write(plain.recv(10000))
                    with contextlib.suppress(ssl.SSLWantReadError):
                        secured.do_handshake()
                        plain.sendall(outgoing.read())
                        greeting = secured.read(1000)
                self.assertTrue(greeting.startswith(b"+OK"))
                plain.close()
            wait_until(lambda: "from=192.0.2.7 protocol=TLSv1.3" in self.host.log(port),
                       "it is logged")

    # Mail is not deleted before it has arrived.

    def pipelined(self, size):
        self.host.write_spool(self.user, popper_host.simple_spool(
            1, body=b"".join(b"%070d\n" % i for i in range(size // 71))))
        return (f"USER {self.user.name}\r\nPASS {self.user.password}\r\n"
                "RETR 1\r\nDELE 1\r\nQUIT\r\n").encode()

    def test_mail_that_was_sent_ahead_of_a_slow_client_stays(self):
        """The relay took it all, and so did the kernel; the client's host did not."""
        for size in (2_000_000, 8_000_000):
            with self.subTest(size=size), self.implicit() as port:
                commands = self.pipelined(size)
                connection = self.dial(port)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(commands)
                wait_until(lambda: " login " in self.host.log(port), "the session has begun")
                time.sleep(1)
                self.assertEqual(self.left(), 1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()  # a reset
                wait_until(lambda: "session-end" in self.host.log(port), "the session has ended")
                self.assertEqual(self.left(), 1)
                self.assertNotIn("how=quit", self.host.log(port))

    def test_mail_that_arrived_is_deleted(self):
        for size in (100, 3_000_000):
            with self.subTest(size=size), self.implicit() as port:
                commands = self.pipelined(size)
                with self.dial(port) as connection:
                    connection.sendall(commands)
                    heard = b""
                    while piece := connection.recv(65536):
                        heard += piece
                self.assertTrue(heard.endswith(b"signing off.\r\n"), heard[-100:])
                self.assertGreater(len(heard), size)
                self.assertEqual(self.left(), 0)

    def test_a_gate_that_dies_ends_its_sessions_without_deleting(self):
        config = self.configure("alternate-port", update_on_abort=False)
        with self.host.standalone(config) as port:
            client = self.login(port, "implicit")
            client.retr(1)
            client.dele(1)
            for gate in daemon_processes.Family(config).gates():
                os.kill(gate.pid, signal.SIGKILL)
            wait_until(lambda: "session-end" in self.host.log(port), "the session has ended")
            self.assertEqual(self.left(), 3)
            self.assertIn("how=connection-lost", self.host.log(port))
            wait_until(lambda: not isinstance(self.try_session(port), Exception),
                       "a new gate serves TLS")

    def test_term_lets_sessions_finish(self):
        config = self.configure("alternate-port")
        with self.host.standalone(config) as port:
            client = self.login(port, "implicit")
            master = daemon_processes.Family(config).master.pid
            os.kill(master, signal.SIGTERM)
            wait_until(lambda: "draining" in self.host.log(port), "popper takes nobody more")
            client.dele(1)
            self.assertIn(b"number 2", message_of(client, 2))
            client.quit()
            wait_until(lambda: "stopped" in self.host.log(port), "popper has ended")
        self.assertEqual(self.left(), 2)

    def test_a_client_that_goes_without_a_word_ends_its_session(self):
        with self.implicit(update_on_abort=False) as port:
            client = self.login(port, "implicit")
            client.dele(1)
            os.close(client.sock.detach())
            wait_until(lambda: "how=connection-lost" in self.host.log(port), "the session ended")
            self.assertEqual(self.left(), 3)

    def test_a_session_program_speaks_through_the_gate(self):
        with self.implicit(session_program="/bin/cat") as port:
            with self.dial(port) as connection:
                self.assertTrue(connection.recv(1000).startswith(b"+OK"))
                connection.sendall(f"USER {self.user.name}\r\nPASS {self.user.password}\r\n"
                                   "sent ahead\n".encode())
                heard = b""
                while b"sent ahead\n" not in heard:
                    heard += connection.recv(1000)
                connection.sendall(b"said later\n")
                self.assertEqual(connection.recv(1000), b"said later\n")
                connection.unwrap()

    # Where keys are.

    def test_only_gates_have_keys(self):
        """A key's octets are in the memory of gates and of no other role."""
        secret = certificates.secret_number(self.key)
        config = self.configure("alternate-port")
        with self.host.standalone(config) as port:
            client = self.login(port, "implicit")
            members = daemon_processes.Family(config).members()
            holders = {process.name for process in members
                       if any(form in daemon_processes.memory_of(process) for form in (secret, secret[::-1]))}
            names = {process.name for process in members}
            client.quit()
        self.assertIn("pop-session", names)
        self.assertIn("pop-gate", holders)
        self.assertLessEqual(holders, {"pop-gate", "pop-master"})

    def test_under_inetd_only_the_gate_can_read_the_keys(self):
        """The process that looks names up had them, too."""
        config = self.configure("alternate-port", tls_passphrase="unneeded", reverse_lookup=True)
        with self.host.inetd(config) as port, self.dial(port):
            mine = daemon_processes.descendants_of(os.getpid())
            holders = {process.name for process in mine if process.name.startswith("pop-")
                       and any("popper-tls" in to for to in process.descriptors.values())}
            names = {process.name for process in mine}
        self.assertIn("pop-resolver", names)
        self.assertLessEqual(holders, {"pop-gate"})

    # Certificates and their renewal.

    def hang_up(self, port):
        master = next(process for process in daemon_processes.all_processes()
                      if process.name == "pop-master" and f"127.0.0.1:{port}" in process.arguments)
        before = self.host.log(port).count("reloaded")
        os.kill(master.pid, signal.SIGHUP)
        wait_until(lambda: self.host.log(port).count("reloaded") > before, "popper has reloaded")

    def serial(self, port, **more):
        with self.dial(port, **more) as connection:
            return certificates.serial_of(connection)

    def copy_pair(self, pair, names=("live.pem", "live.key")):
        live = [self.host.path(name) for name in names]
        for source, target in zip(pair, live):
            with open(source, "rb") as stream:
                self.host.write(target + ".new", stream.read(), mode=0o600)
            os.rename(target + ".new", target)
        return live

    def test_a_renewed_certificate_is_taken_up_by_itself(self):
        other = self.authority.issue("renewed", "127.0.0.1")
        live = self.copy_pair((self.certificate, self.key))
        with self.implicit(tls_server_cert_file=live[0], tls_private_key_file=live[1]) as port:
            client = self.login(port, "implicit")
            before = self.serial(port)
            self.copy_pair(other)
            wait_until(lambda: self.serial(port) != before, "the new certificate is served",
                       NEXT_LOOK)
            wait_until(lambda: {self.serial(port) for _ in range(5)} != {before}, "by every gate")
            self.assertIn("certificates-renewed", self.host.log(port))
            self.assertEqual(client.stat()[0], 3)
            client.quit()

    def test_a_key_that_does_not_match_keeps_the_old_pair(self):
        other = self.authority.issue("unmatched", "127.0.0.1")
        live = self.copy_pair((self.certificate, self.key))
        with self.implicit(tls_server_cert_file=live[0], tls_private_key_file=live[1]) as port:
            before = self.serial(port)
            self.copy_pair((other[0], self.key))  # half a renewal
            self.hang_up(port)
            self.assertEqual(self.serial(port), before)
            self.assertIn("so the old ones stay", self.host.log(port))
            self.assertIn("live.key", self.host.log(port))
            os.unlink(live[1])
            self.hang_up(port)
            self.assertEqual(self.serial(port), before)
            self.copy_pair(other)
            self.hang_up(port)
            wait_until(lambda: self.serial(port) != before, "the new gates serve the new pair")

    def test_half_a_renewal_is_told_without_a_signal(self):
        other = self.authority.issue("half", "127.0.0.1")
        live = self.copy_pair((self.certificate, self.key))
        with self.implicit(tls_server_cert_file=live[0], tls_private_key_file=live[1]) as port:
            before = self.serial(port)
            self.copy_pair((other[0], self.key))
            wait_until(lambda: "the old ones stay" in self.host.log(port), "the log says so",
                       NEXT_LOOK)
            self.assertEqual(self.serial(port), before)

    def test_a_server_without_a_good_pair_does_not_start(self):
        other = self.authority.issue("alone", "127.0.0.1")
        for options, words in (({"tls_server_cert_file": None, "tls_private_key_file": None},
                                "tls-server-cert-file"),
                               ({"tls_private_key_file": other[1]}, "alone.key"),
                               ({"tls_server_cert_file": "/nowhere.pem"}, "/nowhere.pem"),
                               ({"tls_cipher_list": "NONSENSE"}, "tls-cipher-list"),
                               ({"tls_client_certificates": "required"}, "tls-client-ca-file"),
                               ({"tls_more_certificates": "relative.pem"}, "relative.pem")):
            with self.subTest(options=options):
                done = subprocess.run(
                    [popper_host.POPPER, f"127.0.0.1:{popper_host.free_port()}", "--foreground",
                     "-f", self.configure("stls", **options)],
                    stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)

    def test_the_identity_file_and_its_passphrase(self):
        pair = self.authority.issue("identity", "127.0.0.1", passphrase="open sesame")
        identity = self.host.path("identity.pem")
        self.host.write(identity, content_of(pair[0]) + content_of(pair[1]), mode=0o600)
        names = {"tls_server_cert_file": None, "tls_private_key_file": None,
                 "tls_identity_file": identity}
        for start in (self.host.standalone, self.host.inetd):
            with start(self.configure("alternate-port", tls_passphrase="open sesame",
                                      **names)) as port:
                self.check_session(port, "implicit")
        done = subprocess.run(
            [popper_host.POPPER, f"127.0.0.1:{popper_host.free_port()}", "--foreground", "-f",
             self.configure("alternate-port", tls_passphrase="wrong", **names)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("identity.pem", done.stderr)

    def test_the_name_that_a_client_asks_for_chooses_the_certificate(self):
        other = self.authority.issue("other", "mail.example.net")
        rsa = self.authority.issue("rsa", "127.0.0.1", "pop.example.org",
                                   kind=certificates.RSA)
        more = f"{other[0]},{other[1]} {rsa[0]},{rsa[1]}"
        with self.implicit(tls_more_certificates=more) as port:
            ours = self.serial(port, name="pop.example.org")
            theirs = self.serial(port, name="mail.example.net")
            self.assertNotEqual(ours, theirs)
            old = self.authority.client(maximum_version=ssl.TLSVersion.TLSv1_2)
            old.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
            self.assertNotIn(self.serial(port, context=old, name="pop.example.org"),
                             (ours, theirs))
            wait_until(lambda: "name=mail.example.net" in self.host.log(port), "it is logged")

    def test_an_ocsp_response_is_stapled(self):
        pair = self.authority.issue("vouched", "127.0.0.1")
        response = self.authority.vouch(pair[0])
        names = {"tls_server_cert_file": pair[0], "tls_private_key_file": pair[1]}
        with self.implicit(tls_ocsp_file=response, **names) as port:
            self.assertIn("Cert Status: good", self.s_client(port, "-status"))
        with self.implicit(**names) as port:
            self.assertIn("OCSP response: no response sent", self.s_client(port, "-status"))

    def s_client(self, port, *arguments, commands="QUIT\n"):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
                               self.authority.certificate, *arguments], input=commands,
                              capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout + done.stderr

    def test_clients_that_look_at_the_certificate(self):
        """The server's name is looked at, too, so a certificate for another one is refused."""
        other = self.authority.issue("elsewhere", "elsewhere.example.org")
        trust = self.authority.certificate
        commands = {
            "curl": {"stls": ["curl", "--silent", "--show-error", "--cacert", trust, "--ssl-reqd",
                              "--user", f"{self.user.name}:{self.user.password}",
                              "pop3://127.0.0.1:%PORT/1"],
                     "implicit": ["curl", "--silent", "--show-error", "--cacert", trust, "--user",
                                  f"{self.user.name}:{self.user.password}",
                                  "pop3s://127.0.0.1:%PORT/1"]},
            "openssl": {mode: ["openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile",
                               trust, "-verify_ip", "127.0.0.1", "-connect", "127.0.0.1:%PORT",
                               *starttls]
                        for mode, starttls in (("stls", ["-starttls", "pop3"]), ("implicit", []))},
        }
        for mode, start in (("stls", self.stls), ("implicit", self.implicit)):
            for pair, good in (((self.certificate, self.key), True), (other, False)):
                with start(tls_server_cert_file=pair[0], tls_private_key_file=pair[1]) as port:
                    for name, forms in commands.items():
                        with self.subTest(name=name, mode=mode, good=good):
                            done = subprocess.run(
                                [word.replace("%PORT", str(port)) for word in forms[mode]],
                                input=b"QUIT\n", capture_output=True, timeout=PATIENCE)
                            self.assertEqual(done.returncode == 0, good, done.stderr)

    def test_a_scanner_finds_nothing_weak(self):
        with self.implicit() as port:
            report = subprocess.run(
                ["sslscan", "--no-colour", "--show-certificate", f"127.0.0.1:{port}"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=4 * PATIENCE).stdout
        for version in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
            self.assertRegex(report, rf"(?m)^{version}\s+disabled")
        for version in ("TLSv1.2", "TLSv1.3"):
            self.assertRegex(report, rf"(?m)^{version}\s+enabled")
        self.assertIn("Session renegotiation not supported", report)
        self.assertNotIn("vulnerable to heartbleed", report.replace("not vulnerable", ""))
        ciphers = re.findall(r"(?m)^(?:Preferred|Accepted)\s+TLSv\S+\s+(\d+) bits\s+(\S+)", report)
        self.assertGreater(len(ciphers), 3)
        for bits, name in ciphers:
            self.assertGreaterEqual(int(bits), 128)
            self.assertRegex(name, "GCM|POLY1305")
            self.assertRegex(name, "^(ECDHE|TLS_)")

    # Sessions that are resumed.

    def resume(self, port, session):
        context = self.resuming
        with self.dial(port, context=context, session=session) as connection:
            connection.recv(1000)
            connection.sendall(b"QUIT\r\n")
            while connection.recv(1000):
                pass
            return connection.session_reused, connection.session

    def test_sessions_are_resumed_at_every_gate(self):
        self.resuming = self.authority.client()
        with self.implicit() as port:
            session = self.resume(port, None)[1]
            for _ in range(20):
                reused, session = self.resume(port, session)
                self.assertTrue(reused)
            self.hang_up(port)
            self.assertTrue(self.resume(port, session)[0])  # at new gates, with the old keys
            wait_until(lambda: self.host.log(port).count(" session=reused") >= 21, "they are logged")
            gates = {found[:8] for found in
                     re.findall(r"tls id=(\w+) .*session=reused", self.host.log(port))}
            self.assertGreaterEqual(len(gates), 2)

    def test_nothing_is_resumed_with_a_lifetime_of_0(self):
        self.resuming = self.authority.client()
        with self.implicit(tls_session_lifetime=0) as port:
            session = self.resume(port, None)[1]
            self.assertFalse(self.resume(port, session)[0])

    # What both sides may agree on.

    def version(self, port, **limits):
        with self.dial(port, context=self.authority.client(**limits)) as connection:
            return connection.version()

    def test_versions(self):
        one_two, one_three = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
        with self.implicit() as port:
            self.assertEqual(self.version(port), "TLSv1.3")
            self.assertEqual(self.version(port, maximum_version=one_two), "TLSv1.2")
        with self.implicit(tls_version="1.2") as port:
            self.assertEqual(self.version(port), "TLSv1.2")
        with self.implicit(tls_version="1.3") as port:
            self.assertEqual(self.version(port), "TLSv1.3")
            self.assert_refused(port, context=self.authority.client(maximum_version=one_two))
        for old in ("SSLv3", "TLSv1", "all"):
            with self.subTest(old=old), self.implicit(tls_version=old) as port:
                self.assertEqual(self.version(port, minimum_version=one_three), "TLSv1.3")
                wait_until(lambda port=port: "tls-version: " in self.host.log(port), "it is told")

    def test_old_versions_are_refused(self):
        with self.implicit() as port:
            for version in ("-tls1", "-tls1_1"):
                heard = self.s_client(port, version, "-cipher", "ALL:@SECLEVEL=0")
                self.assertNotIn("+OK", heard)
                self.assertIn("alert protocol version", heard)

    def test_ciphers(self):
        with self.implicit(tls_version="1.2", tls_cipher_list="ECDHE-ECDSA-AES256-GCM-SHA384") as port:
            with self.dial(port) as connection:
                self.assertEqual(connection.cipher()[0], "ECDHE-ECDSA-AES256-GCM-SHA384")
        with self.implicit(tls_cipher_suites="TLS_CHACHA20_POLY1305_SHA256") as port:
            with self.dial(port) as connection:
                self.assertEqual(connection.cipher()[0], "TLS_CHACHA20_POLY1305_SHA256")

    def test_option_bits(self):
        no_tls_1_3 = 1 << 29
        with self.implicit(tls_options=no_tls_1_3) as port:
            self.assertEqual(self.version(port), "TLSv1.2")
        with self.implicit(tls_options=no_tls_1_3, tls_workarounds=True) as port:
            self.assertEqual(self.version(port), "TLSv1.3")  # which replaces tls-options
        with self.implicit(tls_options=1) as port:
            wait_until(lambda: "tls-options: 0x1 has no effect" in self.host.log(port),
                       "it is told")

    def test_the_application_protocol(self):
        with self.implicit() as port:
            context = self.authority.client()
            context.set_alpn_protocols(["http/1.1", "pop3"])
            with self.dial(port, context=context) as connection:
                self.assertEqual(connection.selected_alpn_protocol(), "pop3")
            context = self.authority.client()
            context.set_alpn_protocols(["http/1.1"])
            self.assert_refused(port, context=context)

    def test_there_is_no_renegotiation(self):
        with self.implicit() as port:
            process = subprocess.Popen(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            with process:
                while not process.stdout.readline().startswith(b"+OK"):
                    pass
                process.stdin.write(b"R\n")  # its command for it
                process.stdin.flush()
                heard = process.communicate(timeout=PATIENCE)[0]
            self.assertIn(b"RENEGOTIATING", heard)
            self.assertIn(b"no renegotiation", heard)
            self.assertEqual(self.host.log(port).count("protocol=TLSv1.2"), 1)

    # Clients' certificates.

    def test_client_certificates(self):
        own = certificates.Authority(self.host.path("ca-clients"), "Clients")
        stranger = certificates.Authority(self.host.path("ca-strangers"), "Strangers")
        ours = own.issue("jo", "jo.example.org", usage="clientAuth")
        theirs = stranger.issue("eve", "eve.example.org", usage="clientAuth")

        def with_certificate(pair):
            context = self.authority.client()
            context.load_cert_chain(*pair)
            return context

        options = {"tls_client_ca_file": own.certificate}
        with self.implicit(tls_client_certificates="required", **options) as port:
            self.assert_refused(port)
            self.assert_refused(port, context=with_certificate(theirs))
            self.login(port, "implicit", with_certificate(ours)).quit()
            wait_until(lambda: re.search("certificate=.?CN=jo.example.org", self.host.log(port)),
                       "it is logged")
        with self.implicit(tls_client_certificates="optional", **options) as port:
            self.login(port, "implicit").quit()
            self.assert_refused(port, context=with_certificate(theirs))
            self.login(port, "implicit", with_certificate(ours)).quit()

    def test_each_handshake_is_logged(self):
        with self.stls() as port:
            self.login(port, "stls").quit()
            wait_until(lambda: "session-end" in self.host.log(port), "the session has ended")
            log = self.host.log(port)
        self.assertRegex(log, r"\(v[^)]*\) TLSv1.3 handshake with client at \S+ \(127.0.0.1\); "
                              r"new session-id; cipher: TLS_AES_\S+ \(.*\), \d+ bits")
        tls, = re.findall(r"tls id=(\w+) from=127.0.0.1 protocol=TLSv1.3 "
                          r"cipher=TLS_AES_\S+ session=new", log)
        self.assertIn(f"login id={tls} ", log)
        self.assertIn(f"session-end id={tls} ", log)


class CrowdTest(HostTest):
    """Many sessions at once, each of a virtual user of its own."""

    COUNT = 200
    PASSWORD = "right horse"

    def test_a_certificate_is_swapped_under_many_sessions(self):
        authority = certificates.Authority(self.host.path("ca"))
        old = authority.issue("old", "127.0.0.1")
        new = authority.issue("new", "127.0.0.1")
        live = [self.host.path("live.pem"), self.host.path("live.key")]

        def install(pair):
            for source, target in zip(pair, live):
                self.host.write(target, content_of(source), mode=0o600)

        install(old)
        names = self.add_users()
        config = self.host.configure(
            auth_source="credentials", credential_file=self.host.path("credentials.gdbm"),
            clear_text_password="always", tls_support="alternate-port",
            tls_server_cert_file=live[0], tls_private_key_file=live[1])
        with self.host.standalone(config) as port:
            def connect():
                return poplib.POP3_SSL("127.0.0.1", port, context=authority.client(),
                                       timeout=PATIENCE)

            def serial():
                with contextlib.closing(connect()) as client:
                    return certificates.serial_of(client.sock)

            before = serial()
            sessions = []
            for name in names:
                client = connect()
                client.user(name)
                client.pass_(self.PASSWORD)
                client.retr(1)
                sessions.append(client)
            install(new)
            os.kill(daemon_processes.Family(config).master.pid, signal.SIGHUP)
            wait_until(lambda: "reloaded" in self.host.log(port), "popper has reloaded")
            wait_until(lambda: serial() != before, "the new gates serve the new pair")
            install(old)  # and once more, by itself
            wait_until(lambda: serial() == before, "the other certificate is served", NEXT_LOOK)
            for client in sessions:
                self.assertEqual(certificates.serial_of(client.sock), before)
                self.assertIn(b"number 2", message_of(client, 2))
                client.dele(1)
                client.quit()
            wait_until(lambda: self.host.log(port).count("how=quit") == self.COUNT,
                       "every session has ended")
        for name in names:
            with open(os.path.join(self.host.spool_dir, name), "rb") as spool:
                self.assertEqual(spool.read().count(b"Subject: number"), 1)

    def add_users(self):
        file = self.host.path("credentials.gdbm")
        names = [f"crowd{i}" for i in range(self.COUNT)]
        subprocess.run([popper_host.POPAUTH, "init", "-q", "--credential-file", file], check=True,
                       timeout=PATIENCE)
        cheap = certificates.openssl("passwd", "-1", self.PASSWORD).decode().strip()
        list_of_users = self.host.path("users")
        with open(list_of_users, "w") as stream:
            for name in names:
                stream.write(f"{name}:{{CRYPT}}{cheap}:{self.user.uid}:{self.user.gid}::"
                             f"{self.host.path('homes', name)}::\n")
        subprocess.run([popper_host.POPAUTH, "import", "-q", "--format", "passwd-file",
                        "--credential-file", file, list_of_users], check=True, timeout=PATIENCE)
        for name in names:
            self.host.write(os.path.join(self.host.spool_dir, name), popper_host.simple_spool(2),
                            owner=self.user.uid)
        return names


if __name__ == "__main__":
    popper_host.main()
