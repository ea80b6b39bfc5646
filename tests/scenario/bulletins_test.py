#!/usr/bin/env python3
"""Bulletins as users of the real daemon get them: each once, whatever their files and numbers are."""

import fcntl
import grp
import os
import shutil
import stat
import subprocess
import tempfile
import threading

import certificates
import popper_host
from old_databases import write_bulletin_numbers, write_bulletin_values
from popper_host import HostTest, message_of, simple_spool

PATIENCE = popper_host.PATIENCE
POPBULL = os.path.abspath(os.environ.get(
    "POPBULL", os.path.join(os.path.dirname(popper_host.POPPER), "popbull")))
FROM_LINE = b"From qpop Wed Nov  9 13:31:08 1994\n"


def bulletin(number, header=b""):
    """As the manual shows one."""
    return (FROM_LINE + b"Date: Wed, 9 Nov 1994 13:31:07 -0800 (PST)\nTo: user@localhost,\n"
            b"\tothers@localhost\nFrom: POP Administrator <postmaster@localhost>\n" + header +
            b"Subject: bulletin %d\nStatus: RO\n\nnews %d\n" % (number, number))


class BulletinHostTest(HostTest):
    def setUp(self):
        super().setUp()
        self.bulldir = tempfile.mkdtemp(dir=self.host.root)
        os.chmod(self.bulldir, 0o755)
        self.addCleanup(shutil.rmtree, self.bulldir)

    def put(self, name, content=None, mode=0o644):
        number = int(name.split(".")[0])
        self.host.write(os.path.join(self.bulldir, name),
                        bulletin(number) if content is None else content, mode=mode)

    def seen(self, number):
        self.host.write(os.path.join(self.user.home, ".popbull"), b"%d\n" % number,
                        owner=self.user.uid, mode=0o600)

    def popbull(self):
        with open(os.path.join(self.user.home, ".popbull"), "rb") as stream:
            return stream.read()

    def serving(self, **options):
        return self.host.serving(self.host.configure(bulldir=self.bulldir, **options))

    def login(self, port, user=None):
        """The session before may not have ended yet."""
        client = None

        def is_in():
            nonlocal client
            try:
                client = self.host.login(port, user or self.user)
            except popper_host.poplib.error_proto as refused:
                if b"[IN-USE]" not in refused.args[0]:
                    raise
            return client
        popper_host.wait_until(is_in, "the session before has ended")
        return client

    def numbers(self, port, delete=False):
        """Of the bulletins that the maildrop holds."""
        client = self.login(port)
        found = []
        for number in range(1, client.stat()[0] + 1):
            for line in message_of(client, number).split(b"\r\n"):
                if line.startswith(b"Subject: bulletin "):
                    found.append(int(line.split()[-1]))
            if delete:
                client.dele(number)
        client.quit()
        return found


class BulletinsTest(BulletinHostTest):
    """With a .popbull."""

    def test_each_bulletin_comes_once(self):
        self.seen(1)
        for name in ("1.a", "2.b", "10.c"):
            self.put(name)
        for server_mode in (False, True):
            self.seen(1)
            self.host.fill(self.user, simple_spool(1))
            with self.serving(server_mode=server_mode) as port:
                self.assertEqual(self.numbers(port), [2, 10])
                self.assertEqual(self.numbers(port, delete=True), [2, 10])
                self.assertEqual(self.numbers(port), [])
                self.put("11.d")
                self.assertEqual(self.numbers(port), [11])
                self.assertEqual(self.popbull(), b"11\n")
            os.unlink(os.path.join(self.bulldir, "11.d"))
        status = os.stat(os.path.join(self.user.home, ".popbull"))
        self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid), (0o600, self.user.uid))

    def test_the_message_is_the_file_with_another_to(self):
        self.seen(0)
        self.put("1.a")
        with self.serving(host_name="pop.example.org") as port:
            client = self.login(port)
            self.assertEqual(
                message_of(client, 1).rstrip(),
                (b"Date: Wed, 9 Nov 1994 13:31:07 -0800 (PST)\nTo: %s@pop.example.org\n"
                 b"From: POP Administrator <postmaster@localhost>\nSubject: bulletin 1\n\nnews 1\n"
                 % self.user.name.encode()).replace(b"\n", b"\r\n").rstrip())
            ids = client.uidl()[1]
            client.quit()
            client = self.login(port)
            self.assertEqual(client.uidl()[1], ids)
            client.quit()

    def test_new_users_get_the_newest(self):
        for name in ("1.a", "20.b", "30.c"):
            self.put(name)
        for most, expected in ((None, [30]), (0, []), (2, [20, 30])):
            HostTest.setUp(self)
            with self.serving(max_bulletins=most) as port:
                self.assertEqual(self.numbers(port, delete=True), expected)
                self.assertEqual(self.popbull(), b"30\n")
                self.assertEqual(self.numbers(port), [])

    def test_an_empty_popbull_means_all_and_garbage_none(self):
        for name in ("1.a", "2.b"):
            self.put(name)
        for content, expected in ((b"", []), (b"x\n", [2])):
            HostTest.setUp(self)
            self.host.write(os.path.join(self.user.home, ".popbull"), content,
                            owner=self.user.uid, mode=0o600)
            with self.serving() as port:
                self.assertEqual(self.numbers(port), expected)
                self.assertEqual(self.popbull(), b"2\n")

    def test_groups(self):
        group = grp.getgrgid(os.stat(self.user.home).st_gid).gr_name
        self.seen(0)
        for name in ("1.ALL.a", f"2.{group}.b", "3.bin.c", "4", "5.no-such-group.d"):
            self.put(name)
        with self.serving(group_bulletins=True) as port:
            self.assertEqual(self.numbers(port, delete=True), [1, 2, 4])
            self.assertEqual(self.popbull(), b"4\n")
        self.seen(2)
        with self.serving() as port:
            self.assertEqual(self.numbers(port), [3, 4, 5])

    def test_a_broken_bulletin_is_skipped_and_comes_once_it_is_mended(self):
        self.seen(0)
        self.put("1.a")
        self.put("2.b", b"Subject: bulletin 2\n\nno separator\n")
        self.put("3.c")
        with self.host.standalone(self.host.configure(bulldir=self.bulldir)) as port:
            self.assertEqual(self.numbers(port), [1, 3])
            self.assertEqual(self.host.log(port).count("Bulletin 2.b is skipped until it is mended: "
                                                       "line 1: it does not start with a valid"), 1)
            self.assertEqual(self.popbull(), b"3\nowed 2\n")
            self.put("2.b")
            self.assertEqual(self.numbers(port), [1, 3, 2])
            self.assertEqual(self.popbull(), b"3\n")

    def test_terms(self):
        self.seen(0)
        self.put("1.over", bulletin(1, b"Popper-Bulletin-End: 2001-01-01\n"))
        self.put("2.later", bulletin(2, b"Popper-Bulletin-Start: 2999-01-01\n"))
        self.put("3.others", bulletin(3, b"Popper-Bulletin-Users: somebody,\n else\n"))
        self.put("4.mine", bulletin(4, b"Popper-Bulletin-Users: x " + self.user.name.encode() + b"\n"))
        self.put("5.pattern", bulletin(5, b"popper-bulletin-pattern: popt[0-9]+[a-z]\n"))
        with self.serving() as port:
            self.assertEqual(self.numbers(port), [4, 5])
            self.assertEqual(self.popbull(), b"5\nowed 2\n")
            client = self.login(port)
            self.assertNotIn(b"bulletin-users", message_of(client, 1).lower())
            client.quit()

    def test_mail_comes_whatever_keeps_bulletins_away(self):
        self.put("1.a")
        popbull = os.path.join(self.user.home, ".popbull")

        def a_directory():
            os.mkdir(popbull)

        def anothers():
            self.host.write(popbull, b"0\n", owner=1, mode=0o600)

        def a_home_that_is_not_the_users():
            os.chown(self.user.home, 0, 0)
            os.chmod(self.user.home, 0o755)
            self.addCleanup(os.chown, self.user.home, self.user.uid, self.user.gid)

        def no_bulldir():
            shutil.rmtree(self.bulldir)
            self.addCleanup(os.mkdir, self.bulldir)
        for hinder in (a_directory, anothers, a_home_that_is_not_the_users, no_bulldir):
            with self.subTest(hinder.__name__):
                HostTest.setUp(self)
                self.host.fill(self.user, simple_spool(2))
                hinder()
                with self.host.standalone(self.host.configure(bulldir=self.bulldir)) as port:
                    client = self.login(port)
                    self.assertEqual(client.stat()[0], 2)
                    client.dele(1)
                    client.quit()
                    self.assertEqual(self.numbers(port), [])
                    self.assertIn("deliver bulletins to", self.host.log(port))

    def test_popbulldir(self):
        self.seen(1)
        for name in ("1.a", "2.b"):
            self.put(name)
        directory = self.host.make_spool_dir("popbulls")
        self.addCleanup(shutil.rmtree, directory)
        with self.serving(popbulldir=directory) as port:
            self.assertEqual(self.numbers(port), [2])
            self.assertEqual(self.popbull(), b"1\n")
            with open(os.path.join(directory, self.user.name + ".popbull"), "rb") as stream:
                self.assertEqual(stream.read(), b"2\n")

    def test_a_maildir_is_made_for_a_bulletin(self):
        self.seen(0)
        self.put("1.a")
        with self.serving(mail_format="maildir") as port:
            self.assertEqual(self.numbers(port), [1])
        self.assertEqual(os.stat(self.host.spool_path(self.user)).st_uid, self.user.uid)


class DatabaseTest(BulletinHostTest):
    """With a bulletin database."""

    def database(self, users=None):
        path = os.path.join(self.bulldir, "bulldb")
        write_bulletin_numbers(path, {self.user.name: 1} if users is None else users)
        return path

    def test_an_old_directory_is_taken_over_as_it_is(self):
        for name in ("1.a", "2.b", "3.c"):
            self.put(name)
        self.database({self.user.name: 2, "ann": 3})
        self.seen(0)  # of old; the database goes before
        with self.serving() as port:
            self.assertEqual(self.numbers(port, delete=True), [3])
            self.assertEqual(self.numbers(port), [])
        self.assertEqual(self.popbull(), b"0\n")

    def test_a_popbull_is_read_once_by_the_database(self):
        for name in ("1.a", "2.b", "3.c"):
            self.put(name)
        self.seen(1)
        with self.serving(bulldb=os.path.join(self.bulldir, "bulldb")) as port:
            self.assertEqual(self.numbers(port, delete=True), [2, 3])
            self.seen(0)
            self.assertEqual(self.numbers(port), [])
        self.assertEqual(self.popbull(), b"0\n")

    def test_a_damaged_database(self):
        self.put("1.a")
        self.host.fill(self.user, simple_spool(1))
        self.host.write(os.path.join(self.bulldir, "bulldb"), b"x" * 5000, mode=0o600)
        with self.serving() as port:
            self.assert_says("[SYS/TEMP] Unable to open Bulletin database; contact your administrator",
                             self.login, port)
        with self.serving(bulldb_nonfatal=True) as port:
            client = self.login(port)
            self.assertEqual(client.stat()[0], 1)
            client.quit()

    def test_a_damaged_record_keeps_a_user_neither_from_his_mail_nor_floods_him(self):
        self.put("1.a")
        self.put("2.b")
        self.host.fill(self.user, simple_spool(1))
        write_bulletin_values(os.path.join(self.bulldir, "bulldb"), {self.user.name: b"x"})
        self.seen(0)  # of long ago
        config = self.host.configure(bulldir=self.bulldir)
        with self.host.standalone(config) as port:
            client = self.login(port)
            self.assertEqual(client.stat()[0], 1)
            client.quit()
            popper_host.wait_until(
                lambda: "is no number; popbull reset writes a new one" in self.host.log(port),
                "the log tells of it")
            told = subprocess.run([POPBULL, "-f", config, "check"],
                                  capture_output=True, timeout=PATIENCE)
            self.assertEqual(told.returncode, 1, told.stderr)
            self.assertIn(f"error: the record of {self.user.name} in ".encode(), told.stdout)
            subprocess.run([POPBULL, "-f", config, "reset", "--user", self.user.name, "--to", "1"], check=True, capture_output=True, timeout=PATIENCE)
            self.assertEqual(self.numbers(port), [2])

    def test_a_lock_that_stays_taken(self):
        self.put("1.a")
        self.put("2.b")
        database = self.database()
        with open(database + ".lock", "w") as lock:
            os.chmod(database + ".lock", 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self.serving(bulldb_max_tries=3) as port:
                self.assert_says("Unable to open Bulletin database", self.login, port)
                self.assertNotIn(b"bulletin", self.host.read_spool(self.user))
                fcntl.flock(lock, fcntl.LOCK_UN)
                self.assertEqual(self.numbers(port), [2])

    def test_a_number_that_cannot_be_written_keeps_no_mail_away(self):
        self.put("1.a")
        self.put("2.b")
        self.host.fill(self.user, simple_spool(1))
        lock = self.database() + ".lock"
        os.mkdir(lock)
        with self.host.standalone(self.host.configure(bulldir=self.bulldir)) as port:
            client = self.login(port)
            self.assertEqual(client.stat()[0], 1)
            client.quit()
            self.assertIn("deliver bulletins to", self.host.log(port))
            self.assertNotIn(b"Subject: bulletin", self.host.read_spool(self.user))
            os.rmdir(lock)
            self.assertEqual(self.numbers(port), [2])

    def test_no_session_holds_the_database(self):
        self.put("1.a")
        database = self.database({})
        with self.host.standalone(self.host.configure(bulldir=self.bulldir)) as port:
            client = self.login(port)
            holders = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    if os.stat(f"/proc/{pid}").st_uid != self.user.uid:
                        continue
                    links = [os.readlink(f"/proc/{pid}/fd/{fd}")
                             for fd in os.listdir(f"/proc/{pid}/fd")]
                except OSError:
                    continue
                holders += [link for link in links if link.startswith(database)]
            self.assertEqual(holders, [])
            client.quit()
        for name in ("bulldb.changes", "bulldb.lock"):
            status = os.stat(os.path.join(self.bulldir, name))
            self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid), (0o600, 0))


class CrowdTest(HostTest):
    """Many users at once and one database."""

    COUNT = 200 if os.environ.get("POPPER_BULLETINS") == "full" else 60
    PASSWORD = "right"

    def test_a_crowd_at_one_database_loses_nothing(self):
        names = self.add_users()
        bulldir = self.host.path("bulls")
        os.mkdir(bulldir)
        write_bulletin_numbers(os.path.join(bulldir, "bulldb"), {name: 1 for name in names})
        for number in (1, 2):
            self.host.write(os.path.join(bulldir, f"{number}.x"), bulletin(number), mode=0o644)
        config = self.host.configure(
            bulldir=bulldir, auth_source="credentials", clear_text_password="always",
            credential_file=self.host.path("credentials.gdbm"), server_mode=True,
            max_connections_per_address=0)
        with self.host.standalone(config) as port:
            self.assertEqual(self.crowd(port, names), [1] * self.COUNT)
            some = names[::10]
            self.assertEqual(self.crowd(port, some), [0] * len(some))

    def crowd(self, port, names):
        """How many bulletins each gets, all of them logged in at the same time."""
        found = [None] * len(names)
        all_in = threading.Barrier(len(names), timeout=PATIENCE * 4)

        def one(index):
            try:
                client = popper_host.connect(port)
                client.user(names[index])
                all_in.wait()
                client.pass_(self.PASSWORD)
                count = client.stat()[0]
                all_in.wait()
                for number in range(1, count + 1):
                    client.dele(number)
                client.quit()
                found[index] = count
            except (OSError, popper_host.poplib.error_proto, threading.BrokenBarrierError) as error:
                found[index] = repr(error)
        threads = [threading.Thread(target=one, args=(i,)) for i in range(len(names))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE * 8)
        return found

    def add_users(self):
        file = self.host.path("credentials.gdbm")
        names = [f"crowd{i}" for i in range(self.COUNT)]
        subprocess.run([popper_host.POPAUTH, "init", "-q", "--credential-file", file], check=True,
                       timeout=PATIENCE)
        cheap = certificates.openssl("passwd", "-1", self.PASSWORD).decode().strip()
        with open(self.host.path("users"), "w") as stream:
            for name in names:
                stream.write(f"{name}:{{CRYPT}}{cheap}:{self.user.uid}:{self.user.gid}::"
                             f"{self.host.path('homes', name)}::\n")
        subprocess.run([popper_host.POPAUTH, "import", "-q", "--format", "passwd-file",
                        "--credential-file", file, self.host.path("users")], check=True,
                       timeout=PATIENCE)
        return names


if __name__ == "__main__":
    popper_host.main()
