#!/usr/bin/env python3
"""popspool looks at real spools: it shows what clients are told, changes nothing, and goes on beside
sessions and deliveries."""

import fcntl
import html.parser
import json
import os
import pty
import re
import signal
import subprocess
import threading
import time

import popper_host
from popper_host import HostTest, SEPARATOR, ids_of, simple_message, simple_spool, sizes_of
from popspool_host import POPSPOOL

PATIENCE = popper_host.PATIENCE


def encoded_message(number):
    return (b"From: =?utf-8?B?SsO2?= <jo%d@example.org>\nSubject: =?iso-8859-1?Q?sch=F6n_%d?=\n"
            b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
            b"dmVyc3RlY2t0ZXIgU2NoYXR6Cg==\n\n" % (number, number))


class PageCheck(html.parser.HTMLParser):
    """Elements that are opened are closed, and nothing comes from elsewhere."""
    VOID = {"meta", "rect", "br", "!doctype"}

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.wrong, self.bars = [], set(), [], []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag == "rect":
            self.bars.append(float(dict(attrs)["width"]))
        for name, value in attrs:
            if name in ("src", "href", "onload") or "url(" in (value or ""):
                self.wrong.append(f"{tag} {name}={value}")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID and (not self.open or self.open.pop() != tag):
            self.wrong.append(f"</{tag}>")


class PopspoolLookTest(HostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.host.add_user("b")

    def popspool(self, *arguments, check=0, **more):
        done = subprocess.run([POPSPOOL, "-f", self.config, *arguments], capture_output=True,
                              timeout=PATIENCE * 4, **more)
        if check is not None:
            self.assertEqual(done.returncode, check, done.stderr.decode(errors="replace"))
        return done

    def listed(self, target):
        data = json.loads(self.popspool("list", "--json", target).stdout)
        return data["targets"][0]["messages"]

    def snapshot(self):
        """Every file with all its times and its content, nothing read but by who may not change
        a time by that."""
        found = {}
        for folder, folders, files in os.walk(self.host.spool_dir):
            for name in [".", *folders, *files]:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                content = b""
                if os.path.isfile(path):
                    descriptor = os.open(path, os.O_RDONLY | os.O_NOATIME)
                    with os.fdopen(descriptor, "rb") as stream:
                        content = stream.read()
                found[path] = (status.st_ino, status.st_mode, status.st_size, status.st_atime_ns,
                               status.st_mtime_ns, status.st_ctime_ns, content)
        return found

    def set_times_back(self):
        """Before the modification, so that every reading would show."""
        for folder, folders, files in os.walk(self.host.spool_dir, topdown=False):
            for name in [*files, *folders, "."]:
                os.utime(os.path.join(folder, name), (1_000_000, 2_000_000))

    def check_same_as_served(self):
        with self.host.standalone(self.config) as port:
            before = self.listed(self.user.name)
            client = self.host.login(port, self.user)
            served = list(zip(sizes_of(client), [each.decode() for each in ids_of(client)]))
            during = self.listed(self.user.name)
            client.quit()
            after = self.listed(self.user.name)
        for listed in (before, during, after):
            self.assertEqual([(each["octets"], each["uid"]) for each in listed], served)

    def test_the_listing_is_what_clients_are_told(self):
        self.config = self.host.configure(server_mode=True)
        self.host.write_spool(self.user, simple_spool(3) + simple_spool(2)
                              + SEPARATOR + encoded_message(1))
        self.check_same_as_served()

    def test_the_listing_of_a_maildir_is_what_clients_are_told(self):
        self.config = self.host.configure(server_mode=True)
        path = self.host.spool_path(self.user)
        for folder in (path, path + "/tmp", path + "/new", path + "/cur"):
            os.mkdir(folder, 0o700)
            os.chown(folder, self.user.uid, self.user.gid)
        for number in range(1, 4):
            self.host.write_to_maildir(self.user, "new", 1500000000 + number, "",
                                       simple_message(number))
        self.check_same_as_served()

    def test_looking_changes_nothing(self):
        self.config = self.host.configure(server_mode=True, check_hash_dir=True)
        self.host.write_spool(self.user, simple_spool(3) + SEPARATOR + encoded_message(4))
        page, sizes = self.host.path("page.html"), self.host.path("sizes")
        name = self.user.name
        verbs = [["list", name], ["show", name, "4"], ["headers", name], ["cat", name],
                 ["grep", "Schatz", name], ["stat", name], ["top", "--state", sizes],
                 ["report", "--html", page, "--state", sizes], ["list", "--all"]]
        with self.host.standalone(self.config) as port:
            for has_index in (False, True):
                for verb in verbs:
                    self.set_times_back()
                    before = self.snapshot()
                    self.popspool(*verb)
                    self.assertEqual(self.snapshot(), before, f"{verb}, index: {has_index}")
                client = self.host.login(port, self.user)
                during = None
                for verb in verbs:
                    during = self.snapshot()
                    self.popspool(*verb)
                    self.assertEqual(self.snapshot(), during, f"{verb} beside a session")
                client.quit()

    def test_deliveries_go_on(self):
        self.config = self.host.configure(server_mode=True)
        spool = self.host.write_spool(self.user, simple_spool(20))
        stop = threading.Event()

        def deliver():
            number = 100
            while not stop.is_set() and number < 2000:
                number += 1
                with open(spool, "r+b") as stream:
                    fcntl.lockf(stream, fcntl.LOCK_EX)
                    stream.seek(0, os.SEEK_END)
                    message = SEPARATOR + simple_message(number)
                    stream.write(message[:30])
                    stream.flush()
                    time.sleep(0.001)
                    stream.write(message[30:])
                    stream.flush()
                time.sleep(0.02)

        thread = threading.Thread(target=deliver)
        thread.start()
        try:
            with self.host.standalone(self.config) as port:
                known = 0
                for _ in range(8):
                    text = self.popspool("cat", self.user.name).stdout
                    numbers = re.findall(rb"^Subject: number (\d+)\n", text, re.MULTILINE)
                    self.assertEqual(len(numbers), len(set(numbers)))
                    self.assertEqual(text.count(b"\nMessage-ID: "), len(numbers))  # none is torn
                    self.assertGreaterEqual(len(numbers), known)
                    known = len(numbers)
                    counted = self.popspool("grep", "-c", "^Subject: number", self.user.name)
                    self.assertGreaterEqual(int(counted.stdout), known)
                client = self.host.login(port, self.user)
                for number in range(1, 11):
                    client.dele(number)
                client.quit()
                first = self.popspool("headers", self.user.name, "1").stdout
                self.assertIn(b"Subject: number 11\n", first)
        finally:
            stop.set()
            thread.join()

    def fill_directory(self, count):
        """Spools of users that nobody knows: each is worked on as its owner."""
        for number in range(count):
            path = os.path.join(self.host.spool_dir, f"nobody{number:03}")
            self.host.write(path, simple_spool(1 + number % 3), owner=200000 + number, mode=0o600)

    def test_all_of_some_hundred_users_with_a_kill_in_between(self):
        count = 300
        self.config = self.host.configure()
        self.fill_directory(count)
        broken = os.path.join(self.host.spool_dir, "nobody150")
        self.host.write(broken, b"no spool\n", owner=200150, mode=0o600)
        whole = self.popspool("list", "--all", "--json", check=65)
        data = json.loads(whole.stdout)
        self.assertEqual(data["summary"], {"targets": count, "done": count - 1, "found": 0,
                                           "failed": 1, "done_before": 0})
        self.assertEqual([len(each["messages"]) for each in data["targets"][:3]], [1, 2, 3])
        self.assertIn("nobody150", data["targets"][150]["target"])
        self.assertEqual(data["targets"][150]["status"], 65)

        resume = self.host.path("resume")
        process = subprocess.Popen([POPSPOOL, "-f", self.config, "list", "--all", "--resume", resume,
                                    "-j", "2"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        seen = b""
        while seen.count(b"\n") < 40:
            piece = os.read(process.stdout.fileno(), 4096)
            if not piece:
                break
            seen += piece
        process.send_signal(signal.SIGKILL)
        seen += process.stdout.read()
        process.stdout.close()
        process.wait()
        rest = self.popspool("list", "--all", "--resume", resume, check=65)
        shown = re.findall(rb"^(/\S+):$", seen + rest.stdout, re.MULTILINE)
        self.assertEqual(len(set(shown)), count - 1)
        self.assertLessEqual(len(shown), count + 40)  # at most what was printed and not yet noted
        self.assertRegex(rest.stderr.decode(), r"300 targets: \d+ done, 1 failed, \d+ done before")
        self.host.write(broken, simple_spool(1), owner=200150, mode=0o600)
        last = self.popspool("list", "--all", "--resume", resume)
        self.assertIn(f"{count} targets: 1 done, {count - 1} done before", last.stderr.decode())
        self.assertFalse(os.path.exists(resume))

    def test_a_bar_tells_how_far_it_is(self):
        self.config = self.host.configure(lock_wait=1)
        self.fill_directory(3)
        held = os.path.join(self.host.spool_dir, "nobody001")
        with open(held, "r+b") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX)  # a while, so that the bar is seen
            master, slave = pty.openpty()
            try:
                process = subprocess.Popen([POPSPOOL, "-f", self.config, "list", "--all", "-j", "1"],
                                           stdout=subprocess.DEVNULL, stderr=slave)
                os.close(slave)
                text = b""
                try:
                    while piece := os.read(master, 4096):
                        text += piece
                except OSError:
                    pass  # the other end is closed
                self.assertEqual(process.wait(timeout=PATIENCE), 0)
            finally:
                os.close(master)
        self.assertIn(b"2 of 3", text)
        self.assertIn(b"nobody001: " + held.encode() + b" is locked", text)
        self.assertIn(b"3 targets: 3 done", text)

    def test_root_reads_nothing_of_a_user(self):
        self.config = self.host.configure()
        self.host.write_spool(self.user, simple_spool(1))
        trace = self.host.path("trace")
        subprocess.run(["strace", "-f", "-e", "trace=openat,open,setresuid", "-o", trace, POPSPOOL,
                        "-f", self.config, "list", self.user.name],
                       check=True, capture_output=True, timeout=PATIENCE * 4)
        become, opened = {}, 0
        with open(trace, errors="replace") as stream:
            for line in stream:
                pid = line.split()[0]
                if "setresuid(" in line and "= 0" in line:
                    become[pid] = int(re.search(r"setresuid\((\d+)", line).group(1))
                elif f'"{self.user.name}"' in line and "open" in line:
                    self.assertEqual(become.get(pid), self.user.uid, line)
                    opened += 1
        self.assertGreater(opened, 0)

    def test_another_users_mail_is_not_shown(self):
        self.config = self.host.configure()
        self.host.write_spool(self.user, simple_spool(1))
        done = self.popspool("list", self.user.name, check=77, user=self.other.uid, group=self.other.gid,
                             extra_groups=[])
        self.assertEqual(done.stdout, b"")
        mine = self.popspool("list", self.user.name, user=self.user.uid, group=self.user.gid,
                             extra_groups=[])
        self.assertEqual(mine.stdout.count(b"\n"), 1)

    def test_the_report_is_a_page_of_its_own(self):
        self.config = self.host.configure()
        self.host.write_spool(self.user, simple_spool(5) + SEPARATOR + encoded_message(1)
                              + b"From x@y Fri Nov 20 10:00:00 2026\n"
                              b"From: \"<script>alert(1)</script>\" <evil<b>@example.org>\n\nx\n\n")
        page, sizes = self.host.path("page.html"), self.host.path("sizes")
        self.popspool("report", "--html", page, "--state", sizes)
        self.host.deliver(self.user, simple_spool(50), self.host.spool_path(self.user))
        self.popspool("report", "--html", page, "--state", sizes)
        with open(page, encoding="utf-8") as stream:
            text = stream.read()
        check = PageCheck()
        check.feed(text)
        self.assertEqual(check.wrong, [])
        self.assertEqual(check.open, [])
        self.assertNotIn("script", check.seen)
        self.assertGreater(max(check.bars), 100)
        self.assertIn("jo1@example.org", text)
        self.assertIn("Growth since", text)


if __name__ == "__main__":
    popper_host.main()
