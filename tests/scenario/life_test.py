#!/usr/bin/env python3
"""A daemon's life: how it starts under inetd's wait mode and systemd, changes at HUP, outlives what
happens to its roles, and ends."""

import contextlib
import ctypes
import errno
import os
import poplib
import signal
import socket
import struct
import subprocess
import time

import daemon_processes
import popper_host
import private_mounts
from popper_host import PATIENCE, POPPER, HostTest, simple_spool, wait_until
from super_servers import SmallInetd, SmallSystemd, WaitInetd, stop


def greeting(address):
    with socket.create_connection(address, timeout=PATIENCE) as client:
        return client.recv(512)


def listening_inodes(pid):
    """Inodes of the sockets of a process that listen on TCP."""
    listening = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as stream:
            for line in list(stream)[1:]:
                fields = line.split()
                if fields[3] == "0A":
                    listening.add(f"socket:[{fields[9]}]")
    return listening & set(daemon_processes.Process(pid).descriptors.values())


def hide_landlock():
    """For preexec_fn: this process and its children have a kernel that does not know it."""
    create_ruleset, allow, error = 444, 0x7fff0000, 0x00050000 | errno.ENOSYS
    load, jump_if_equal, give = 0x20, 0x15, 0x06
    program = b"".join(struct.pack("HBBI", *one) for one in (
        (load, 0, 0, 0), (jump_if_equal, 0, 1, create_ruleset), (give, 0, 0, error),
        (give, 0, 0, allow)))
    octets = ctypes.create_string_buffer(program)
    head = ctypes.create_string_buffer(struct.pack("HP", len(program) // 8,
                                                   ctypes.addressof(octets)))
    set_seccomp, filter_mode = 22, 2
    if ctypes.CDLL(None, use_errno=True).prctl(set_seccomp, filter_mode, head, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


class SmallSyslog:
    """A daemon behind /dev/log."""

    def __init__(self, path):
        self.path, self.heard = path, []

    def __enter__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.socket.setblocking(False)
        return self

    def __exit__(self, *_):
        self.socket.close()
        os.unlink(self.path)

    def lines(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard.append(self.socket.recv(4096).decode())
        return self.heard


class LifeTest(HostTest):
    def setUp(self):
        super().setUp()
        self.gate_root = self.host.path("gate-root", "empty")
        self.host.write_spool(self.user, simple_spool(3))

    def configure(self, **options):
        return self.host.configure("life.conf", gate_root=self.gate_root, **options)

    def listen_on(self, *addresses, **options):
        """A configuration of the daemon's own sockets, in TOML."""
        text = "".join(f'{key} = {popper_host.written(value)}\n' for key, value in {
            "spool-dir": self.host.spool_dir, "pam-service": self.host.add_pam_service(),
            "gate-root": self.gate_root,
            **{key.replace("_", "-"): value for key, value in options.items()}}.items())
        text += "".join(f'[[listen]]\naddress = "{address}"\n' for address in addresses)
        return self.host.write(self.host.path("life.toml"), text.encode(), mode=0o644)

    @contextlib.contextmanager
    def daemon(self, config, *arguments):
        """In the foreground, with its log in self.log."""
        path = self.host.path("log.life")
        with open(path, "wb") as log:
            process = subprocess.Popen([POPPER, *arguments, "--foreground", "-f", config],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(lambda: " listening on=" in self.log() or process.poll() is not None,
                       "popper listens")
            yield process
        finally:
            stop(process)

    def log(self):
        return self.host.log("life")

    def number_in(self, path):
        with open(path) as stream:
            return int(stream.read())

    def refusal(self, *arguments, **popen):
        """What a start that cannot work says; it must end with a status of its own accord."""
        popen = {"stdin": subprocess.DEVNULL, **popen}
        done = subprocess.run([POPPER, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=PATIENCE, **popen)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr


class WaitModeTest(LifeTest):
    @contextlib.contextmanager
    def inetd(self, *switches):
        with open(self.host.path("log.life"), "wb") as log:
            server = WaitInetd([POPPER, "-i", "--foreground", "-f", self.configure(), *switches],
                               log)
            try:
                yield server
            finally:
                server.close()

    def test_it_serves_many_clients_and_stays(self):
        with self.inetd() as server:
            for _ in range(3):
                self.host.login(server.port, self.user).quit()
            self.assertEqual(len(listening_inodes(server.server.pid)), 1)
            self.assertEqual(server.ends, [])
        self.assertEqual(server.ends, [0])

    def test_it_gives_the_socket_back_after_autoclose(self):
        with self.inetd("--autoclose=1") as server:
            self.host.login(server.port, self.user).quit()
            first = server.server.pid
            wait_until(lambda: server.ends == [0], "it ends by itself")
            self.host.login(server.port, self.user).quit()
            self.assertNotEqual(server.server.pid, first)

    def test_it_waits_for_a_session_and_meanwhile_lets_nobody_wait(self):
        with self.inetd("--autoclose=1") as server:
            client = self.host.login(server.port, self.user)
            wait_until(lambda: " autoclose" in self.log(), "it accepts no more")
            self.assertTrue(greeting(("127.0.0.1", server.port)).startswith(b"+OK"))
            self.assertEqual(client.stat()[0], 3)
            self.assertEqual(server.ends, [])
            client.quit()
            wait_until(lambda: server.ends == [0], "it ends by itself")

    def test_through_xinetd(self):
        with self.host.xinetd(self.configure(), "--autoclose=1", wait="yes") as port:
            for _ in range(2):
                self.host.login(port, self.user).quit()
                time.sleep(1.2)  # longer than autoclose: the next one comes to a new process

    def test_without_a_listening_socket_it_says_so(self):
        self.assertIn("no listening socket", self.refusal("-i", "-f", self.configure()))
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.assertIn("no listening socket",
                          self.refusal("-i", "-f", self.configure(), stdin=theirs))

    def test_a_lost_keeper_of_one_connection_is_told_at_once(self):
        """inetd nowait: the client need not wait for the login's time limit."""
        for said in (b"", b"USER nobody\r\n"):
            with self.subTest(said=said):
                server = SmallInetd([POPPER, "-f", self.configure()])
                try:
                    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
                        stream = client.makefile("rb")
                        self.assertTrue(stream.readline().startswith(b"+OK"))
                        client.sendall(said)
                        if said:
                            self.assertTrue(stream.readline().startswith(b"+OK"))
                        os.kill(server.children[0].pid, signal.SIGKILL)
                        self.assertTrue(stream.readline().startswith(b"-ERR [SYS/TEMP]"))
                        self.assertEqual(stream.readline(), b"")
                finally:
                    server.close()


class SystemdTest(LifeTest):
    @contextlib.contextmanager
    def systemd(self, *switches, **more):
        with open(self.host.path("log.life"), "wb") as log:
            server = SmallSystemd([POPPER, "--foreground", "-f", self.configure(), *switches],
                                  self.host.root, log=log, **more)
            try:
                yield server
            finally:
                server.close()

    def test_it_tells_how_it_is(self):
        with self.systemd() as server:
            status = server.wait_for_notice("READY=1")
            self.assertIn(f"STATUS=Serving on 127.0.0.1:{server.port}", status)
            before = time.monotonic_ns() // 1000
            server.process.send_signal(signal.SIGHUP)
            reloading = server.wait_for_notice("RELOADING=1")
            when = int(reloading[1].removeprefix("MONOTONIC_USEC="))
            self.assertLessEqual(before, when)
            server.wait_for_notice("READY=1")
            self.host.login(server.port, self.user).quit()
            server.process.terminate()
            server.wait_for_notice("STOPPING=1")
            self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_a_refused_reload_is_ready_again_and_says_so(self):
        with self.systemd() as server:
            server.wait_for_notice("READY=1")
            self.host.write(self.host.path("life.conf"), b"set timeuot = 5\n", mode=0o644)
            server.process.send_signal(signal.SIGHUP)
            self.assertIn("refused", server.wait_for_notice("READY=1")[1])

    def test_all_its_sockets_serve_also_after_a_reload(self):
        path = self.host.path("pop.socket")
        local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        local.bind(path)
        local.listen()
        sockets = [socket.create_server(("127.0.0.1", 0)), local]
        if socket.has_ipv6:
            sockets.append(socket.create_server(("::1", 0), family=socket.AF_INET6))
        with self.systemd(sockets=sockets, names=["pop3", "local", ""][:len(sockets)]) as server:
            server.wait_for_notice("READY=1")
            for _ in range(2):
                for one in sockets:
                    with socket.socket(one.family) as client:
                        client.settimeout(PATIENCE)
                        client.connect(one.getsockname())
                        self.assertTrue(client.recv(512).startswith(b"+OK"))
                server.process.send_signal(signal.SIGHUP)
                server.wait_for_notice("READY=1")
            family = daemon_processes.Family(self.host.path("life.conf"))
            for process in family.gates() + family.keepers():
                # Those of the time before the reload may end.
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    with open(f"/proc/{process.pid}/environ", "rb") as stream:
                        self.assertNotRegex(stream.read(), rb"LISTEN_|NOTIFY_|WATCHDOG_")

    def test_one_connection_of_accept_yes(self):
        ours, theirs = socket.socketpair()
        with ours, self.systemd(sockets=[theirs]) as server:
            ours.settimeout(PATIENCE)
            theirs.close()
            stream = ours.makefile("rb")
            self.assertTrue(stream.readline().startswith(b"+OK"))
            ours.sendall(b"QUIT\r\n")
            self.assertTrue(stream.readline().startswith(b"+OK"))
            self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_the_watchdog_hears_us_only_while_gates_work(self):
        with self.systemd(watchdog=2) as server:
            server.wait_for_notice("WATCHDOG=1")
            server.wait_for_notice("WATCHDOG=1")
            gates = daemon_processes.Family(self.host.path("life.conf")).gates()
            for gate in gates:
                os.kill(gate.pid, signal.SIGSTOP)
            try:
                server.notify.settimeout(5)
                with self.assertRaises(TimeoutError):
                    for _ in range(6):  # a few may be on the way; 5 seconds are five intervals
                        server.notify.recv(4096)
            finally:
                for gate in gates:
                    os.kill(gate.pid, signal.SIGCONT)
            server.wait_for_notice("WATCHDOG=1")

    def test_sockets_and_an_address_are_one_too_many(self):
        self.check_refused(["127.0.0.1:1"], {}, "leave one of them out")

    def test_sockets_that_are_not_there_are_refused(self):
        self.check_refused([], {"LISTEN_FDS": "99"}, "is not open")
        self.check_refused([], {"LISTEN_FDS": "many"}, "no number of sockets")

    def check_refused(self, arguments, environment, expected):
        with open(self.host.path("log.life"), "wb") as log:
            server = SmallSystemd([POPPER, *arguments, "-f", self.configure()], self.host.root,
                                  log=log, environment=environment)
            try:
                self.assertEqual(server.process.wait(PATIENCE), 1)
            finally:
                server.close()
        self.assertIn(expected, self.log())


class StandaloneTest(LifeTest):
    def test_no_address_means_every_address_of_both_protocols(self):
        port = popper_host.free_port()
        with self.daemon(self.configure(), f":{port}"):
            self.assertTrue(greeting(("127.0.0.1", port)).startswith(b"+OK"))
            self.assertTrue(greeting(("::1", port)).startswith(b"+OK"))

    def test_an_address_in_brackets(self):
        port = popper_host.free_port()
        with self.daemon(self.configure(), f"[::1]:{port}"):
            self.assertTrue(greeting(("::1", port)).startswith(b"+OK"))
            self.assertFalse(popper_host.accepts(port))

    def test_hup_keeps_the_sockets_that_stay(self):
        first, second, third = (popper_host.free_port() for _ in range(3))
        config = self.listen_on(f"127.0.0.1:{first}", f"127.0.0.1:{second}")
        with self.daemon(config) as process:
            before = listening_inodes(process.pid)
            self.assertEqual(len(before), 2)
            client = self.host.login(first, self.user)
            self.listen_on(f"127.0.0.1:{first}", f"127.0.0.1:{third}", host_name="other.example")
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: " reloaded" in self.log(), "it reloads")
            self.assertEqual(len(before & listening_inodes(process.pid)), 1)
            wait_until(lambda: not popper_host.accepts(second), "the old address is closed")
            wait_until(lambda: b"other.example" in self.goodbye(third), "the new name is told")
            self.assertEqual(client.stat()[0], 3)
            client.quit()
            self.host.login(first, self.user).quit()

    def goodbye(self, port):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(b"QUIT\r\n")
            return client.makefile("rb").read()

    def test_hup_with_anything_wrong_changes_nothing(self):
        port = popper_host.free_port()
        config = self.listen_on(f"127.0.0.1:{port}")
        with self.daemon(config) as process, socket.create_server(("127.0.0.1", 0)) as taken:
            before = listening_inodes(process.pid)
            self.listen_on(f"127.0.0.1:{taken.getsockname()[1]}")
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: "in use" in self.log(), "the taken address is logged")
            self.host.write(config, b"timeuot = 5\ngate-user = 7\n", mode=0o644)
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: "life.toml:1:" in self.log() and "life.toml:2:" in self.log(),
                       "every complaint is logged")
            self.assertEqual(listening_inodes(process.pid), before)
            self.host.login(port, self.user).quit()

    def test_hup_moves_the_pid_file_and_turns_debugging_on(self):
        port = popper_host.free_port()
        old, new = self.host.path("old.pid"), self.host.path("new.pid")
        with self.daemon(self.listen_on(f"127.0.0.1:{port}", pid_file=old)) as process:
            self.assertEqual(self.number_in(old), process.pid)
            self.listen_on(f"127.0.0.1:{port}", pid_file=new, debug=True)
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: os.path.exists(new) and not os.path.exists(old), "it moves")
            self.assertEqual(self.number_in(new), process.pid)
            self.host.login(port, self.user).quit()
            wait_until(lambda: " command id=" in self.log(), "commands are logged now")
        self.assertFalse(os.path.exists(new))

    def test_a_pid_file_has_one_daemon(self):
        path = self.host.path("one.pid")
        port, other = popper_host.free_port(), popper_host.free_port()
        self.host.write(path, b"999999\n", mode=0o644)  # of one that crashed
        config = self.configure(pid_file=path)
        with self.daemon(config, f"127.0.0.1:{port}") as process:
            self.assertEqual(self.number_in(path), process.pid)
            self.assertIn("its daemon is running",
                          self.refusal(f"127.0.0.1:{other}", "-f", config))
            self.assertEqual(self.number_in(path), process.pid)

    def test_a_pid_file_is_no_other_file(self):
        path = self.host.write(self.host.path("precious"), b"something else\n", mode=0o644)
        port = popper_host.free_port()
        self.assertIn("something else than a process number", self.refusal(
            f"127.0.0.1:{port}", "-f", self.configure(pid_file=path)))
        with open(path) as stream:
            self.assertEqual(stream.read(), "something else\n")

    def test_messages_without_a_remedy(self):
        port = popper_host.free_port()
        for arguments, options, said in (
                ([f"127.0.0.1:{port}"], {"gate_user": "no-such-user"},
                 "gate-user: there is no user no-such-user: make one with useradd"),
                ([f"127.0.0.1:{port}"], {"pid_file": self.host.path("none", "pid")},
                 f"make the directory {self.host.path('none')}"),
                (["-S", f"127.0.0.1:{port}"], {}, "must come first"),
                ([f"::1:{port}"], {}, "put an IPv6 address in brackets"),
                ([f"192.0.2.1:{port}"], {}, f"listen on 192.0.2.1:{port}: bind: ")):
            with self.subTest(said):
                self.assertIn(said, self.refusal(*arguments, "-f", self.configure(**options)))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            said = self.refusal(f"127.0.0.1:{taken.getsockname()[1]}", "-f", self.configure())
        self.assertIn("another program listens there", said)

    def test_a_start_said_nothing_of_what_is_missing(self):
        port = popper_host.free_port()
        config = self.configure(pam_service="no-such-service", spool_dir=self.host.path("nowhere"))
        with self.daemon(config, f"127.0.0.1:{port}") as process:
            for part in ("pam-service: there is no /etc/pam.d/no-such-service",
                         "spool-dir: " + self.host.path("nowhere")):
                self.assertIn(part, self.log())
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: self.log().count("spool-dir: ") == 2, "HUP says it again")

    def test_a_start_said_nothing_of_a_kernel_without_landlock(self):
        words = "this kernel has no Landlock"
        with self.host.standalone(self.configure(), preexec_fn=hide_landlock) as port:
            self.assertEqual(self.host.log(port).count(words), 1)

    def test_the_start_is_over_when_the_parent_ends(self):
        path, port = self.host.path("at-once.pid"), popper_host.free_port()
        config = self.configure(pid_file=path)
        done = subprocess.run([POPPER, f"127.0.0.1:{port}", "-f", config], timeout=PATIENCE,
                              stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        pid = self.number_in(path)
        try:
            self.assertTrue(popper_host.accepts(port))
        finally:
            os.kill(pid, signal.SIGINT)
            wait_until(lambda: not daemon_processes.is_running(pid), "it ends")
        self.assertFalse(os.path.exists(path))


class RolesTest(LifeTest):
    def test_sessions_of_a_killed_keeper_go_on_and_end_with_the_master(self):
        port = popper_host.free_port()
        with self.daemon(self.configure(), f"127.0.0.1:{port}") as process:
            client = self.host.login(port, self.user)
            family = daemon_processes.Family(self.host.path("life.conf"))
            session, = family.sessions()
            os.kill(session.parent, signal.SIGKILL)
            wait_until(lambda: daemon_processes.Process(session.pid).parent == process.pid,
                       "the master adopts the session")
            self.assertEqual(client.stat()[0], 3)
            process.terminate()
            wait_until(lambda: not popper_host.accepts(port), "it drains")
            self.assertEqual(client.stat()[0], 3)
            self.assertIsNone(process.poll())
            process.terminate()
            self.assertEqual(process.wait(PATIENCE), 0)
            self.assertFalse(daemon_processes.is_running(session.pid))
            client.close()

    def test_sessions_of_killed_keepers_were_counted_no_more(self):
        port = popper_host.free_port()
        others = [self.host.add_user(letter) for letter in "bc"]
        for user in others:
            self.host.write_spool(user, simple_spool(1))
        with self.daemon(self.configure(max_connections=2), f"127.0.0.1:{port}") as process:
            clients = [self.host.login(port, user) for user in (self.user, others[0])]
            family = daemon_processes.Family(self.host.path("life.conf"))
            sessions = [session.pid for session in family.sessions()]
            before = {keeper.pid for keeper in family.keepers()}
            for keeper in before:
                os.kill(keeper, signal.SIGKILL)
            wait_until(lambda: all(daemon_processes.Process(pid).parent == process.pid
                                   for pid in sessions), "the master adopts the sessions")
            wait_until(lambda: len(family.keepers()) == len(before)
                       and not before & {keeper.pid for keeper in family.keepers()}, "new keepers")
            for _ in range(5):
                with self.assertRaises(poplib.error_proto):
                    self.host.login(port, others[1])
            clients[0].quit()

            def login():
                with contextlib.suppress(poplib.error_proto):
                    return self.host.login(port, others[1])
                return None

            wait_until(login, "the place of who has gone is free").quit()
            clients[1].quit()

    def test_gates_logged_nothing_after_a_new_start_of_syslog(self):
        device = self.host.path("dev")
        os.mkdir(device)
        for name in ("null", "zero", "urandom", "random"):
            self.host.write(os.path.join(device, name), b"")

        def private_devices():
            private_mounts.see_instead({device + "/" + name: "/dev/" + name
                                        for name in os.listdir(device) if name != "log"})()
            private_mounts.bind(device, "/dev")

        port, pid = popper_host.free_port(), self.host.path("log.pid")
        config = self.configure(login_timeout=1, pid_file=pid)
        with SmallSyslog(device + "/log"):
            subprocess.run([POPPER, f"127.0.0.1:{port}", "-f", config], check=True, timeout=PATIENCE,
                           stdin=subprocess.DEVNULL, preexec_fn=private_devices)
        master = self.number_in(pid)
        try:
            with SmallSyslog(device + "/log") as syslog:
                def gate_is_heard():
                    greeting(("127.0.0.1", port))
                    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as silent:
                        silent.makefile("rb").read()
                    return any("login-timeout" in line for line in syslog.lines())

                wait_until(gate_is_heard, "a gate's line arrives")
        finally:
            os.kill(master, signal.SIGINT)
            wait_until(lambda: not daemon_processes.is_running(master), "it ends")

    def test_a_keeper_that_hangs_in_pam_is_replaced_and_the_client_told(self):
        service = "/etc/pam.d/" + popper_host.PREFIX + "h"
        sleeper = self.host.path("sleeper")
        with open(service, "x") as stream:
            stream.write(f"auth required pam_exec.so quiet {sleeper}\n"
                         "account required pam_permit.so\n")
        self.host.undo.callback(popper_host.remove_if_there, service)
        pid = self.host.path("sleeper.pid")
        self.host.write(sleeper, f"#!/bin/sh\necho $$ >{pid}\nexec sleep 100\n".encode(),
                        mode=0o755)
        port = popper_host.free_port()
        config = self.configure(pam_service=os.path.basename(service), login_timeout=3)
        try:
            with self.daemon(config, f"127.0.0.1:{port}"):
                self.assert_says("[SYS/TEMP]", self.host.login, port, self.user)
                self.assertIn(" keeper-stuck ", self.log())
        finally:
            with open(pid) as stream:
                os.kill(int(stream.read()), signal.SIGKILL)


if __name__ == "__main__":
    popper_host.main()
