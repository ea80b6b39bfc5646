#!/usr/bin/env python3
"""What a session may still do, a pooled one too, and what root does before it is one."""

import os
import shutil
import signal
import subprocess

import daemon_processes
import popper_host
from popper_host import PATIENCE, HostTest

PASSWORD = "one for the file alone"


class ConfinementTest(HostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.host.add_user("b")

    def setUp(self):
        super().setUp()
        self.config = self.host.configure("confined.conf")
        self.host.write_spool(self.user, popper_host.simple_spool(3))

    def family(self):
        return daemon_processes.Family(self.config)

    def add_virtual_users(self, *names):
        file = self.host.path("credentials.gdbm")
        if os.path.exists(file):
            os.unlink(file)
        subprocess.run([popper_host.POPAUTH, "init", "--credential-file", file], check=True,
                       timeout=PATIENCE)
        for name in names:
            subprocess.run(
                [popper_host.POPAUTH, "set", name, "--stdin", "--apop", "--uid",
                 str(self.user.uid), "--gid", str(self.user.gid), "--home",
                 self.host.path("homes", name), "--credential-file", file],
                input=PASSWORD.encode() + b"\n", check=True, timeout=PATIENCE)
            self.host.write(os.path.join(self.host.spool_dir, name),
                            popper_host.simple_spool(2, body=b"mail of %s\n" % name.encode()),
                            owner=self.user.uid)
        self.host.configure("confined.conf", credential_file=file, clear_text_password="always")

    def apop(self, port, name):
        client = popper_host.poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
        client.apop(name, PASSWORD)
        return client

    def idle(self):
        return self.family().named("pop-idle")

    def assert_has_no_rights(self, process):
        self.assertEqual(process.uids, {self.user.uid})
        self.assertNotIn(0, process.gids | process.groups)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(process.status[name], 16), 0, name)
        self.assertEqual(process.status["NoNewPrivs"], "1")
        self.assertEqual(process.status["Seccomp"], "2")
        self.assertEqual(os.stat(f"/proc/{process.pid}/status").st_uid, 0, "dumpable")

    def test_a_session_has_no_rights_but_the_user_s(self):
        self.add_virtual_users("va")
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, self.user)
            self.assert_has_no_rights(*self.family().sessions())
            client.quit()
            self.apop(port, "va").quit()
            self.assert_has_no_rights(*popper_host.wait_until(self.idle, "a process waits"))

    def test_one_process_serves_many_virtual_users_and_forgets_them(self):
        self.add_virtual_users("va", "vb")
        with self.host.standalone(self.config) as port:
            seen = set()
            for name in ("va", "vb") * 10:
                client = self.apop(port, name)
                self.assertIn(b"mail of " + name.encode(), popper_host.message_of(client, 1))
                session, = self.family().sessions()
                seen.add(session.pid)
                client.quit()
                idle = popper_host.wait_until(
                    lambda: [p for p in self.idle() if p.pid == session.pid], "it waits again")
                self.assertNotIn(b"mail of " + name.encode(), daemon_processes.memory_of(idle[0]))
            self.assertLess(len(seen), 20)

    def test_a_process_is_not_shared_by_different_uids(self):
        self.add_virtual_users("va")
        with self.host.standalone(self.config) as port:
            self.apop(port, "va").quit()
            idle, = popper_host.wait_until(self.idle, "a process waits")
            client = self.host.login(port, self.user)
            session, = self.family().sessions()
            self.assertNotEqual(session.pid, idle.pid)
            client.quit()
            popper_host.wait_until(lambda: not self.family().sessions(), "the session ends")

    def test_a_spool_directory_that_is_replaced_serves_the_next_login(self):
        """A waiting process may use the directory that was there when it began, and no other."""
        self.add_virtual_users("va")
        spool_dir = self.host.spool_dir
        with self.host.standalone(self.config) as port:
            self.apop(port, "va").quit()
            waiting = [p.pid for p in popper_host.wait_until(self.idle, "a process waits")]
            os.rename(spool_dir, spool_dir + ".before")
            subprocess.run(["cp", "-a", spool_dir + ".before", spool_dir], check=True,
                           timeout=PATIENCE)
            client = self.apop(port, "va")
            self.assertEqual(client.stat()[0], 2)
            client.quit()
            popper_host.wait_until(
                lambda: not any(daemon_processes.is_running(pid) for pid in waiting), "they end")

    def test_a_killed_waiting_process_costs_nobody_anything(self):
        self.add_virtual_users("va")
        with self.host.standalone(self.config) as port:
            for _ in range(5):
                self.apop(port, "va").quit()
                killed = [p.pid for p in popper_host.wait_until(self.idle, "a process waits")]
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)
                # Who is dying still takes what is sent to him.
                popper_host.wait_until(
                    lambda: not any(daemon_processes.is_running(pid) for pid in killed), "they end")
                client = self.apop(port, "va")
                self.assertEqual(client.stat()[0], 2)
                client.quit()

    def test_waiting_processes_end_with_the_daemon_and_its_configuration(self):
        self.add_virtual_users("va")
        with self.host.standalone(self.config) as port:
            self.apop(port, "va").quit()
            waiting = [p.pid for p in popper_host.wait_until(self.idle, "a process waits")]
            os.kill(self.family().master.pid, signal.SIGHUP)
            popper_host.wait_until(
                lambda: not any(daemon_processes.is_running(pid) for pid in waiting), "they end")
            popper_host.wait_until(lambda: self.family().keepers(), "new keepers run")
            self.apop(port, "va").quit()
            waiting = [p.pid for p in popper_host.wait_until(self.idle, "a process waits")]
        # The daemon that was the first to end made userdel fail on who was still there.
        self.assertFalse(any(daemon_processes.is_running(pid) for pid in waiting))

    def test_a_session_held_the_spool_s_group_where_everybody_may_write(self):
        spools = self.host.make_spool_dir("open-spool")
        os.chmod(spools, 0o1777)
        path = os.path.join(spools, self.user.name)
        config = self.host.configure("confined.conf", spool_dir=spools)
        for options in ({}, {"fast_update": True}):
            self.host.write(path, popper_host.simple_spool(3), owner=self.user.uid, mode=0o600)
            self.host.configure("confined.conf", spool_dir=spools, **options)
            with self.host.standalone(config) as port:
                client = self.host.login(port, self.user)
                session, = self.family().sessions()
                self.assertNotIn(os.stat(spools).st_gid, session.gids | session.groups)
                client.dele(2)
                client.quit()
                self.assertEqual(self.host.login(port, self.user).stat()[0], 2)
                self.assertNotIn("spool-dir: its group", self.host.log(port))

    def test_a_start_said_nothing_of_spools_that_every_session_may_read(self):
        def warns():
            with self.host.standalone(self.config) as port:
                pass  # what a start says is whole when it has ended
            return "give them mode 0600" in self.host.log(port)

        self.assertTrue(warns())
        os.chmod(self.host.spool_path(self.user), 0o600)
        self.assertFalse(warns())

    def test_no_file_of_the_user_is_touched_before_the_uid_is_his(self):
        """strace: everything with a path that comes before setresuid, session by session."""
        if shutil.which("strace") is None:
            self.skipTest("no strace")
        self.config = self.host.configure(
            "confined.conf", user_options=True, spool_options=True, home_dir_mail="mbox",
            temp_dir=self.private("temp"), cache_dir=self.private("cache"))
        self.host.write(os.path.join(self.user.home, "mbox"), popper_host.simple_spool(2),
                        owner=self.user.uid)
        trace = self.host.path("trace")
        with self.host.standalone(self.config) as port:
            family = self.family()
            popper_host.wait_until(family.keepers, "keepers run")

            def parents():
                return family.keepers() + family.nurseries()
            pids = [arg for parent in parents() for arg in ("-p", str(parent.pid))]
            tracer = subprocess.Popen(["strace", "-f", "-qq", "-s", "256", "-o", trace, "-e",
                                       "trace=%file,%desc,setresuid", *pids],
                                      stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                popper_host.wait_until(lambda: all(
                    parent.status["TracerPid"] != "0" for parent in parents()), "traced")
                client = self.host.login(port, self.user)
                client.dele(1)
                client.quit()
                popper_host.wait_until(lambda: not family.sessions(), "the session ends")
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.wait(PATIENCE)
        changed, early, late = set(), [], 0
        with open(trace, errors="replace") as stream:
            for line in stream:
                pid = line.split()[0]
                if "setresuid(" in line:
                    changed.add(pid)
                if self.host.root not in line or "resumed" in line:
                    continue
                if pid in changed:
                    late += 1
                elif any(f'"{path}' in line for path in self.users_paths()):
                    early.append(line)
        self.assertEqual(early, [])
        self.assertGreater(late, 5, "strace saw nothing")

    def private(self, name):
        path = self.host.path(name)
        if not os.path.exists(path):
            os.mkdir(path)
            os.chmod(path, 0o1777)
        return path

    def users_paths(self):
        return [self.user.home, self.host.spool_path(self.user), self.host.path("temp") + "/",
                self.host.path("cache") + "/", os.path.join(self.host.spool_dir, ".")]


if __name__ == "__main__":
    popper_host.main()
