#!/usr/bin/env python3
"""popspool deliver, as mail transfer agents call it, beside the daemon and other deliverers."""

import fcntl
import grp
import os
import re
import subprocess
import threading
import time

import popper_host
from popper_host import HostTest, SEPARATOR, message_of, simple_message, simple_spool
from popspool_host import POPSPOOL

PATIENCE = popper_host.PATIENCE
NUMBER = re.compile(rb"^Subject: number (\d+)\r?$", re.MULTILINE)


def state_and_parent(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
            return stream.read().rsplit(")", 1)[1].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None


def child_of(pid):
    for name in filter(str.isdigit, os.listdir("/proc")):
        known = state_and_parent(name)
        if known and known[1] == str(pid):
            return int(name)
    return None


def has_ended(pid):
    known = state_and_parent(pid)
    return known is None or known[0] == "Z"


class PopspoolDeliverTest(HostTest):
    def deliver(self, *arguments, message, check=0, **more):
        done = subprocess.run([POPSPOOL, "-f", self.config, "deliver", *arguments], input=message,
                              capture_output=True, timeout=PATIENCE * 4, **more)
        if check is not None:
            self.assertEqual(done.returncode, check, done.stderr.decode(errors="replace"))
        return done

    def login(self, port):
        """The session before may not have ended yet."""
        for _ in range(200):
            try:
                return self.host.login(port, self.user)
            except popper_host.poplib.error_proto as refused:
                self.assertIn(b"[IN-USE]", refused.args[0])
                time.sleep(0.1)
        raise AssertionError("the maildrop stays in use")

    def served(self, port):
        client = self.login(port)
        texts = [message_of(client, number + 1) for number in range(client.stat()[0])]
        client.quit()
        return texts

    def test_a_delivered_message_is_served(self):
        self.config = self.host.configure()
        name = self.user.name
        self.deliver("-r", "ann@example.org", name,
                     message=b"Subject: one\r\nStatus: RO\r\n\r\nFrom here\r\nto there\r\n")
        self.deliver(name, message=b"From bob@example.org Thu Jan  1 00:00:00 1970\n"
                     b"X-UIDL: forged\nX-IMAPbase: 1 2\nSubject: two\n\ntext")
        spool = self.host.read_spool(self.user)
        self.assertRegex(spool, rb"^From ann@example\.org \w{3} \w{3} [ \d]{2} [\d:]{8} \d{4}\n"
                         rb"Subject: one\n\n>From here\nto there\n\nFrom bob@example\.org Thu Jan  1 "
                         rb"00:00:00 1970\nSubject: two\n\ntext\n\n$")
        status = os.stat(self.host.spool_path(self.user))
        self.assertEqual((status.st_uid, status.st_mode & 0o7777), (self.user.uid, 0o660))
        with self.host.standalone(self.config) as port:
            self.assertEqual(self.served(port),
                             [b"Subject: one\r\n\r\n>From here\r\nto there\r\n\r\n",
                              b"Subject: two\r\n\r\ntext\r\n\r\n"])

    def test_hashed_spools_homes_and_maildirs(self):
        name, message = self.user.name, simple_message(1)
        for options, path in (
                ({"hash_spool": 2}, self.host.path("spool", name[0], name[1], name)),
                ({"home_dir_mail": "mbox"}, os.path.join(self.user.home, "mbox")),
                ({"home_dir_mail": "Maildir", "mail_format": "maildir"},
                 os.path.join(self.user.home, "Maildir", "new"))):
            with self.subTest(options):
                self.config = self.host.configure(**options)
                self.deliver(name, message=message)
                self.assertTrue(os.path.exists(path), path)
                self.assertEqual(os.stat(path).st_uid, self.user.uid)
                with self.host.standalone(self.config) as port:
                    texts = self.served(port)
                self.assertEqual([NUMBER.search(text).group(1) for text in texts], [b"1"])
        self.assertEqual(os.stat(self.host.path("spool", name[0])).st_uid, 0)

    def test_the_exit_status_is_what_agents_expect(self):
        self.config = self.host.configure(lock_wait=1)
        name, message = self.user.name, simple_message(1)
        self.deliver(name + "nobody", message=message, check=67)
        self.deliver(name, "-s", "10", message=message, check=73)
        self.deliver(name, message=b"", check=73)
        self.deliver(name, "-s", "ten", message=message, check=64)
        self.assertFalse(os.path.exists(self.host.spool_path(self.user)))
        good, self.config = self.config, self.host.write(self.host.path("bad.conf"),
                                                         b"set spool-dirr = x\n", mode=0o644)
        self.deliver(name, message=message, check=75)
        self.config = self.host.path("missing.conf")
        self.deliver(name, message=message, check=75)
        self.config = good
        spool = self.host.write_spool(self.user, simple_spool(1))
        with open(spool, "r+b") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX)
            self.deliver(name, message=message, check=75)
        os.chmod(spool, 0o666)  # somebody else could have written it
        self.deliver(name, message=message, check=75)
        self.assertEqual(self.host.read_spool(self.user), simple_spool(1))

    def test_a_user_delivers_to_himself_and_to_nobody_else(self):
        self.config = self.host.configure()
        mine = dict(user=self.user.uid, group=self.user.gid,
                    extra_groups=[grp.getgrnam("mail").gr_gid])
        self.deliver(self.user.name, message=simple_message(1), **mine)
        self.deliver("root", message=simple_message(1), check=75, **mine)
        self.assertEqual(len(NUMBER.findall(self.host.read_spool(self.user))), 1)

    def test_who_may_not_read_the_credential_file_cannot_say_that_there_is_no_user(self):
        secret = self.host.write(self.host.path("credentials"), b"", owner=0, mode=0o600)
        self.config = self.host.configure(credential_file=secret)
        mine = dict(user=self.user.uid, group=self.user.gid,
                    extra_groups=[grp.getgrnam("mail").gr_gid])
        told = self.deliver(self.user.name + "nobody", message=simple_message(1), check=75, **mine)
        self.assertIn(secret.encode(), told.stderr)
        self.deliver(self.user.name, message=simple_message(1), **mine)

    def test_a_path_that_is_not_there_sends_no_mail_back(self):
        self.config = self.host.configure()
        unmounted = self.host.path("unmounted")
        os.mkdir(unmounted, 0o755)
        for path in (os.path.join(unmounted, "jo"), os.path.join(unmounted, "jo", "mail"),
                     os.path.join(self.user.home, "none", "mail"),
                     os.path.join(self.user.home, "mail", "")):
            self.deliver(path, message=simple_message(1), check=75)
        self.assertEqual(os.listdir(unmounted), [])
        new = os.path.join(self.user.home, "mail")
        self.deliver("-n", new, message=simple_message(1))
        self.assertFalse(os.path.exists(new))
        self.deliver(new, message=simple_message(1))
        self.assertEqual(os.stat(new).st_uid, self.user.uid)

    def test_a_dry_run_makes_no_hash_directories(self):
        self.config = self.host.configure(hash_spool=2)
        name = self.user.name
        told = self.deliver("-n", name, message=simple_message(1))
        self.assertIn(self.host.path("spool", name[0], name[1], name).encode(), told.stdout)
        self.assertFalse(os.path.exists(self.host.path("spool", name[0])))

    def check_that_killing_ends(self, write, let_go):
        process = subprocess.Popen([POPSPOOL, "-f", self.config, "deliver", self.user.name],
                                   stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        with process:
            write(process.stdin)
            child = popper_host.wait_until(lambda: child_of(process.pid), "it works as the user")
            process.kill()
            process.wait()
            let_go(process.stdin)
        popper_host.wait_until(lambda: has_ended(child), "nobody goes on")
        self.assertEqual(self.host.read_spool(self.user), simple_spool(1))

    def test_an_agent_that_gives_up_in_the_middle_leaves_no_half_message(self):
        self.config = self.host.configure()
        self.host.write_spool(self.user, simple_spool(1))

        def write_half(stream):
            stream.write(b"Subject: half\n\nof a message")
            stream.flush()
        self.check_that_killing_ends(write_half, lambda stream: stream.close())

    def test_an_agent_that_gives_up_waiting_for_a_lock_can_send_the_message_again(self):
        self.config = self.host.configure()
        spool = self.host.write_spool(self.user, simple_spool(1))
        with open(spool, "r+b") as locked:
            fcntl.lockf(locked, fcntl.LOCK_EX)

            def write_all(stream):
                stream.write(simple_message(2))
                stream.close()
            self.check_that_killing_ends(write_all, lambda stream: locked.close())

    def test_a_full_disk_leaves_the_spool_as_it_was(self):
        self.config = self.host.configure()
        spool, before = self.host.spool_path(self.user), simple_spool(3)
        content = self.host.write(self.host.path("content"), before, mode=0o644)
        script = ('mount -t tmpfs -o size=256k,mode=2775,gid=mail none "$1" && cp "$2" "$3" && '
                  'chown "$4:mail" "$3" && chmod 660 "$3" && shift 4 && spool=$1 && shift && '
                  '"$@"; status=$?; cat "$spool"; exit $status')
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", self.host.spool_dir, content, spool,
             str(self.user.uid), spool, POPSPOOL, "-f", self.config, "deliver", self.user.name],
            input=simple_message(1, body=b"x" * 70 * 1000 + b"\n") * 10, capture_output=True,
            timeout=PATIENCE * 4)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn(b"No space left", done.stderr)
        self.assertEqual(done.stdout, before)

    def append_under_the_lock(self, number):
        with open(self.host.spool_path(self.user), "r+b") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX)
            stream.seek(0, os.SEEK_END)
            stream.write(SEPARATOR + simple_message(number))

    def take_all(self, port):
        """What one session got and deleted."""
        client = self.login(port)
        numbers = []
        for number in range(1, client.stat()[0] + 1):
            text = message_of(client, number)
            found = NUMBER.findall(text)
            self.assertEqual(len(found), 1, text)
            self.assertNotIn(b"\0", text)
            numbers.append(int(found[0]))
            client.dele(number)
        client.quit()
        return numbers

    def test_nothing_is_lost_or_doubled_beside_sessions_and_deliveries(self):
        self.config = self.host.configure(server_mode=True)
        self.host.write_spool(self.user, b"")
        wrong = []

        def run(work, numbers):
            try:
                for number in numbers:
                    work(number)
            except BaseException as error:  # told by the test's own thread
                wrong.append(error)

        def by_popspool(number):
            self.deliver(self.user.name, message=simple_message(number))

        threads = [threading.Thread(target=run, args=(by_popspool, range(100, 112))),
                   threading.Thread(target=run, args=(by_popspool, range(200, 212))),
                   threading.Thread(target=run, args=(self.append_under_the_lock, range(300, 330)))]
        with self.host.standalone(self.config) as port:
            for thread in threads:
                thread.start()
            taken = []
            while any(thread.is_alive() for thread in threads):
                taken += self.take_all(port)
            for thread in threads:
                thread.join()
            taken += self.take_all(port)
        self.assertEqual(wrong, [])
        self.assertEqual(sorted(taken), [*range(100, 112), *range(200, 212), *range(300, 330)])


if __name__ == "__main__":
    popper_host.main()
