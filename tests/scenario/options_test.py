#!/usr/bin/env python3
"""Each option of the maildrop has an effect that can be seen from outside."""

import glob
import grp
import os
import re
import stat
import threading
import time

import popper_host
import spool_reader
from popper_host import PATIENCE, HostTest, ids_of, message_of, simple_spool, wait_until


class OptionsTest(HostTest):
    def setUp(self):
        super().setUp()
        self.spool = simple_spool(3)
        self.path = self.host.write_spool(self.user, self.spool)
        self.messages = spool_reader.read(self.spool)

    def session(self, config, *switches, delete=(), retrieve=(), during=lambda client: None):
        """Starts popper, has one session, and ends both; what `during` says is the result."""
        with self.host.standalone(config, *switches) as port:
            client = self.host.login(port, self.user)
            for number in retrieve:
                message_of(client, number)
            result = during(client)
            for number in delete:
                client.dele(number)
            client.quit()
        return result

    def left(self, path=None):
        return [m.field(b"Subject").decode()
                for m in spool_reader.read(self.host.read_spool(self.user, path))]

    def in_spool_dir(self, name):
        return os.path.join(self.host.spool_dir, name)

    # Where the mail is.

    def check_hashed(self, method, folder):
        os.unlink(self.path)
        here = os.path.join(self.host.spool_dir, folder)
        os.makedirs(here)
        for path in {here, os.path.dirname(here)} - {self.host.spool_dir}:
            os.chown(path, 0, grp.getgrnam("mail").gr_gid)
            os.chmod(path, 0o2775)
        path = self.host.write_spool(self.user, self.spool, os.path.join(here, self.user.name))
        config = self.host.configure(hash_spool=method)
        count = self.session(config, delete=[2], during=lambda client: client.stat()[0])
        self.assertEqual(count, 3)
        self.assertEqual(self.left(path), ["number 1", "number 3"])

    def hash_letter(self):
        return chr(ord("a") + sum(self.user.name.encode()[:5]) % 26)

    def test_hash_spool_1(self):
        self.check_hashed(1, self.hash_letter())

    def test_hash_spool_2(self):
        self.check_hashed(2, f"{self.user.name[0]}/{self.user.name[1]}")

    def test_check_hash_dir_makes_directories_like_the_spools(self):
        self.session(self.host.configure(hash_spool=2))
        top = os.stat(self.host.spool_dir)
        for folder in (self.user.name[0], f"{self.user.name[0]}/{self.user.name[1]}"):
            made = os.stat(self.in_spool_dir(folder))
            self.assertEqual((made.st_mode, made.st_uid, made.st_gid),
                             (top.st_mode, top.st_uid, top.st_gid))

    def test_without_check_hash_dir_none_is_made(self):
        with self.host.standalone(self.host.configure(hash_spool=2, check_hash_dir=False)) as port:
            try:
                self.host.login(port, self.user).quit()
            except popper_host.poplib.error_proto:
                pass  # a missing directory may be an error; it must not be made
        self.assertFalse(os.path.exists(self.in_spool_dir(self.user.name[0])))

    def test_home_dir_mail(self):
        path = self.host.write(os.path.join(self.user.home, "mailbox"), simple_spool(2),
                               owner=self.user.uid, group=self.user.gid, mode=0o600)
        config = self.host.configure(home_dir_mail="mailbox")
        self.assertEqual(self.session(config, delete=[1], during=lambda c: c.stat()[0]), 2)
        self.assertEqual(self.left(path), ["number 2"])
        self.assertEqual(self.host.read_spool(self.user), self.spool)

    def test_home_dir_misc(self):
        drop = os.path.join(self.user.home, f".{self.user.name}.pop")
        there = self.session(self.host.configure(home_dir_misc=True, server_mode=True),
                             during=lambda client: os.path.exists(drop))
        self.assertTrue(there)
        self.assertTrue(os.path.exists(os.path.join(self.user.home, f".{self.user.name}.cache")))
        self.assertEqual(os.listdir(self.host.spool_dir), [self.user.name])

    def test_temp_name_and_cache_name_that_were_one_file_started(self):
        config = self.host.configure(temp_name=".%s.x", cache_name=".%s.x")
        with self.assertRaisesRegex(AssertionError, r'temp-name ".%s.x" and cache-name ".%s.x"'):
            with self.host.standalone(config):
                pass
        self.assertEqual(self.left(), ["number 1", "number 2", "number 3"])

    def test_temp_dir_and_temp_name(self):
        folder = self.host.make_spool_dir("drops")
        drop = os.path.join(folder, "drop-of-" + self.user.name)
        config = self.host.configure(temp_dir=folder, temp_name="drop-of-%s")
        self.assertTrue(self.session(config, during=lambda client: os.path.exists(drop)))
        self.assertFalse(os.path.exists(drop))
        self.assertFalse(os.path.exists(self.in_spool_dir(f".{self.user.name}.pop")))

    def test_cache_dir_and_cache_name(self):
        folder = self.host.make_spool_dir("caches")
        self.session(self.host.configure(cache_dir=folder, cache_name="%s.index", server_mode=True))
        self.assertEqual(os.listdir(folder), [self.user.name + ".index"])
        self.assertEqual(os.listdir(self.host.spool_dir), [self.user.name])

    def test_keep_temp_drop(self):
        drop = self.in_spool_dir(f".{self.user.name}.pop")
        for keep in (False, True):
            for server_mode in (False, True):
                self.session(self.host.configure(keep_temp_drop=keep, server_mode=server_mode))
                self.assertEqual(os.path.exists(drop), keep)
        self.assertEqual(os.path.getsize(drop), 0)
        self.assertLess(time.time() - os.path.getmtime(drop), PATIENCE)

    # A temporary drop that the old program left after a crash.

    def leave_drop(self, name, content):
        return self.host.write(self.in_spool_dir(name), content, owner=self.user.uid)

    def check_merge(self, **options):
        """Two messages lie in the old drop, one of them still in the spool too."""
        spool_path = options.pop("spool_path")
        old = popper_host.SEPARATOR + popper_host.simple_message(90)
        drop = self.leave_drop(f".{self.user.name}.pop",
                               old + self.messages[0].separator + self.messages[0].stored)
        config = self.host.configure(**options)
        for _ in range(2):
            count = self.session(config, during=lambda client: client.stat()[0])
            self.assertEqual(count, 4)
            self.assertEqual(sorted(self.left(spool_path)),
                             ["number 1", "number 2", "number 3", "number 90"])
        self.assertTrue(not os.path.exists(drop) or os.path.getsize(drop) == 0)

    def test_a_leftover_drop_is_merged_once(self):
        for server_mode in (False, True):
            with self.subTest(server_mode=server_mode):
                self.host.write_spool(self.user, self.spool)
                self.check_merge(spool_path=self.path, server_mode=server_mode)

    def make_hashed_spool(self):
        folder = self.in_spool_dir(self.hash_letter())
        os.mkdir(folder)
        os.chown(folder, 0, grp.getgrnam("mail").gr_gid)
        os.chmod(folder, 0o2775)
        return self.host.write_spool(self.user, self.spool, os.path.join(folder, self.user.name))

    def test_check_old_spool_loc(self):
        self.check_merge(spool_path=self.make_hashed_spool(), hash_spool=1)

    def test_without_check_old_spool_loc(self):
        path = self.make_hashed_spool()
        drop = self.leave_drop(f".{self.user.name}.pop", simple_spool(1))
        config = self.host.configure(hash_spool=1, check_old_spool_loc=False)
        self.assertEqual(self.session(config, during=lambda client: client.stat()[0]), 3)
        self.assertEqual(self.left(path), ["number 1", "number 2", "number 3"])
        self.assertEqual(os.path.getsize(drop), len(simple_spool(1)))

    # How it is served.

    def test_normal_mode_serves_its_copy_while_another_program_writes(self):
        def during(client):
            self.rewrite_in_place()
            return message_of(client, 2)
        self.assertEqual(self.session(self.host.configure(), during=during), self.messages[1].wire)

    def test_server_mode_serves_the_spool_and_sees_such_a_program(self):
        def during(client):
            self.rewrite_in_place()
            self.assertRaises(popper_host.poplib.error_proto, client.retr, 2)
        self.session(self.host.configure(server_mode=True), during=during)

    def test_server_mode_by_its_switch(self):
        def during(client):
            self.rewrite_in_place()
            self.assertRaises(popper_host.poplib.error_proto, client.retr, 2)
        self.session(self.host.configure(), "-S", during=during)

    def rewrite_in_place(self):
        with open(self.path, "r+b") as stream:
            stream.write(self.spool.replace(b"Message-ID: <n2@", b"Message-ID: <X2@"))

    def inode_after_a_deletion(self, *switches, **options):
        self.host.write_spool(self.user, self.spool)
        before = os.stat(self.path)
        self.session(self.host.configure(**options), *switches, delete=[1])
        after = os.stat(self.path)
        self.assertEqual(self.left(), ["number 2", "number 3"])
        self.assertEqual((before.st_mode, before.st_uid, before.st_gid),
                         (after.st_mode, after.st_uid, after.st_gid))
        return before.st_ino == after.st_ino

    def test_fast_update_replaces_the_file(self):
        for server_mode in (False, True):
            with self.subTest(server_mode=server_mode):
                self.assertFalse(self.inode_after_a_deletion(
                    fast_update=True, server_mode=server_mode))
                self.assertTrue(self.inode_after_a_deletion(server_mode=server_mode))
        self.assertFalse(self.inode_after_a_deletion("-F"))

    def test_update_status_headers(self):
        ids = self.session(self.host.configure(), retrieve=[2], delete=[1], during=ids_of)
        left = spool_reader.read(self.host.read_spool(self.user))
        self.assertEqual([m.field(b"Status") for m in left], [b"RO", b"U"])
        self.assertEqual([m.field(b"X-UIDL") for m in left], ids[1:])
        self.assertEqual([m.content for m in left], [m.content for m in self.messages[1:]])
        last = self.session(self.host.configure(), during=lambda c: c._shortcmd("LAST"))
        self.assertEqual(last, b"+OK 1")

    def test_without_update_status_headers_no_byte_of_a_kept_message_changes(self):
        for server_mode in (False, True):
            self.host.write_spool(self.user, self.spool)
            config = self.host.configure(update_status_headers=False, server_mode=server_mode)
            self.session(config, retrieve=[1, 2, 3], delete=[2])
            kept = [m.stored for m in spool_reader.read(self.host.read_spool(self.user))]
            self.assertEqual(kept, [self.messages[0].stored, self.messages[2].stored])

    def abort(self, config):
        """A connection that ends without QUIT; comes back when the session is over."""
        with self.host.standalone(config) as port:
            client = self.host.login(port, self.user)
            client.dele(2)
            client.close()
            wait_until(lambda: not os.path.exists(self.in_spool_dir(f".{self.user.name}.pop")),
                       "the session ends")

    def test_update_on_abort(self):
        for server_mode in (False, True):
            self.host.write_spool(self.user, self.spool)
            self.abort(self.host.configure(server_mode=server_mode))
            self.assertEqual(self.left(), ["number 1", "number 3"])

    def test_without_update_on_abort(self):
        for server_mode in (False, True):
            self.host.write_spool(self.user, self.spool)
            self.abort(self.host.configure(update_on_abort=False, server_mode=server_mode))
            self.assertEqual(self.host.read_spool(self.user), self.spool)

    def test_auto_delete_takes_at_quit_what_was_retrieved(self):
        for server_mode in (False, True):
            with self.subTest(server_mode=server_mode):
                self.host.write_spool(self.user, self.spool)
                self.session(self.host.configure(auto_delete=True, server_mode=server_mode),
                             retrieve=[1, 3])
                self.assertEqual(self.left(), ["number 2"])

    def test_auto_delete_takes_nothing_of_a_session_that_breaks_off(self):
        with self.host.standalone(self.host.configure(auto_delete=True)) as port:
            client = self.host.login(port, self.user)
            self.assertEqual(client.capa()["EXPIRE"], ["0"])
            message_of(client, 1)
            client.close()
            wait_until(lambda: " session-end " in self.host.log(port), "the session ends")
        self.assertEqual(self.left(), ["number 1", "number 2", "number 3"])

    def test_chunky_writes(self):
        """How large the writes are in which a message of 20,000 octets comes."""
        large = simple_spool(1) + b"".join(b"%078d\n" % line for line in range(250))
        for when, gathered in (("always", True), ("default", True), ("tls", False),
                               ("never", False)):
            self.host.write_spool(self.user, large)
            record = self.host.path("strace")
            prefix = ["strace", "-f", "-qq", "-o", record, "-e", "trace=sendmsg,writev"]
            with self.host.inetd(self.host.configure(chunky_writes=when), prefix=prefix) as port:
                client = self.host.login(port, self.user)
                self.assertGreater(len(message_of(client, 1)), 19000)
                client.quit()
            with open(record) as stream:
                sizes = [int(line.rsplit("= ", 1)[1]) for line in stream
                         if line.rstrip().rsplit("= ", 1)[-1].isdigit()]
            with self.subTest(when=when):
                self.assertEqual(max(sizes) > 15000, gathered, sizes)
                if not gathered:
                    self.assertLessEqual(max(sizes), 512)

    def altered_between_sessions(self, conservative):
        """A program that changes an old message in place, none of those that the engine samples,
        and then a delivery."""
        self.spool = simple_spool(400)
        self.host.write_spool(self.user, self.spool)
        config = self.host.configure(conservative_cache=conservative, server_mode=True)
        before = self.session(config, during=ids_of)
        with open(self.path, "r+b") as stream:
            stream.seek(self.spool.index(b"<n150@"))
            stream.write(b"<N150@")
        self.host.deliver(self.user, popper_host.SEPARATOR + popper_host.simple_message(401))
        after = self.session(config, during=ids_of)
        self.assertEqual(len(after), 401)
        self.assertEqual(after[:149] + after[150:400], before[:149] + before[150:])
        return before[149] == after[149]

    def test_conservative_cache_reads_all_mail_after_a_delivery(self):
        self.assertTrue(self.altered_between_sessions(conservative=False))
        self.assertFalse(self.altered_between_sessions(conservative=True))

    # Locks.

    def traced_session(self, trace, **options):
        """System calls of one session that name the dotlock, as strace prints them."""
        record = self.host.path("strace")
        prefix = ["strace", "-f", "-qq", "-o", record, "-e", "trace=" + trace]
        with self.host.inetd(self.host.configure(**options), prefix=prefix) as port:
            self.host.login(port, self.user).quit()
        with open(record) as stream:
            return [line for line in stream if f"{self.user.name}.lock" in line]

    def test_no_atomic_open_links_the_lock(self):
        exclusive = self.traced_session("openat,link,linkat", no_atomic_open=False)
        linked = self.traced_session("openat,link,linkat", no_atomic_open=True)
        self.assertTrue(any("O_EXCL" in line and f'"{self.user.name}.lock"' in line
                            for line in exclusive), exclusive)
        self.assertFalse(any("link" in line for line in exclusive), exclusive)
        self.assertTrue(any(re.search(r"\blink(at)?\(", line) for line in linked), linked)
        self.assertFalse(any("O_EXCL" in line and f'"{self.user.name}.lock"' in line
                             for line in linked), linked)

    # Protocol.

    def test_shy(self):
        for shy in (False, True):
            with self.host.standalone(self.host.configure(shy=shy)) as port:
                client = popper_host.poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
                self.assertEqual(b"Popper" in client.welcome, not shy)
                self.assertEqual("IMPLEMENTATION" in client.capa(), not shy)
                client.user(self.user.name)
                client.pass_(self.user.password)
                self.assertIn("IMPLEMENTATION", client.capa())
                client.quit()

    def test_announce_login_delay(self):
        """Three logins in a row, then none: with any start, and per user."""
        config = self.host.configure(announce_login_delay=3600, server_mode=True)

        def poll(port):
            client = self.host.login(port, self.user)
            self.assertEqual(client.capa()["LOGIN-DELAY"], ["3600"])
            self.assertEqual(client.stat()[0], 3)
            client.quit()

        def too_early(port):
            with self.assertRaisesRegex(popper_host.poplib.error_proto,
                                        r"-ERR \[LOGIN-DELAY\] .* try in \d+ seconds"):
                self.host.login(port, self.user)

        with self.host.standalone(config) as port:
            poll(port)
            poll(port)
        with self.host.inetd(config) as port:
            poll(port)
        with self.host.standalone(config) as port:
            too_early(port)
            too_early(port)
            other = self.host.add_user("b")
            self.host.write_spool(other, self.spool)
            self.host.login(port, other).quit()
        self.assertEqual(self.host.read_spool(self.user), self.spool)
        with self.host.standalone(self.host.configure(announce_login_delay=-1)) as port:
            client = self.host.login(port, self.user)
            self.assertNotIn("LOGIN-DELAY", client.capa())
            client.quit()

    def test_xtnd_xlist_and_euidl_read_headers(self):
        with self.host.standalone(self.host.configure(server_mode=True)) as port:
            client = self.host.login(port, self.user)
            client.dele(2)
            listed = client._longcmd("XTND XLIST subj")[1]
            self.assertEqual(listed, [b"1 Subject: number 1", b"3 Subject: number 3"])
            self.assertEqual(client._longcmd("XTND XLIST Subject: 3")[1], [b"3 Subject: number 3"])
            self.assertEqual(client._longcmd("XTND XLIST nobody")[1], [])
            ids, size = ids_of(client), client.list(1).split()[2]
            rows = client._longcmd("EUIDL")[1]
            self.assertEqual(len(rows), 2)
            self.assertTrue(rows[0].startswith(b"1 " + ids[0] + b" " + size + b" "), rows)
            self.assertEqual(client._shortcmd("EUIDL 1"), b"+OK " + rows[0])
            client.quit()

    def test_mdef_names_a_form_of_mail(self):
        with self.host.standalone(self.host.configure()) as port:
            client = self.host.login(port, self.user)
            self.assertIn(b'"plain" accepted', client._shortcmd("MDEF plain(x-mangle(text=plain))"))
            self.assertIn(b"Mime-Version: 1.0", message_of(client, "1 plain").title())
            self.assertEqual(message_of(client, 1), self.messages[0].wire)
            self.assertRaises(popper_host.poplib.error_proto, client.retr, "1 flat")
            client.quit()

    def test_capa_offers_user_only_where_it_leads_to_a_login(self):
        for policy, offered in (("always", True), ("local", True), ("never", False)):
            config = self.host.configure(clear_text_password=policy)
            with self.subTest(policy=policy), self.host.standalone(config) as port:
                client = popper_host.poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
                self.assertEqual("USER" in client.capa(), offered)
                if offered:
                    client.user(self.user.name)
                    client.pass_(self.user.password)
                    self.assertIn("USER", client.capa())
                client.quit()

    def commands_logged(self, *switches):
        """The verbs of one session, and of what came before its login."""
        with self.host.standalone(self.host.configure(), *switches) as port:
            client = self.host.login(port, self.user)
            client.noop()
            client.quit()
            popper_host.wait_until(lambda: " session-end " in self.host.log(port), "it ends")
            log = self.host.log(port)
        self.assertNotIn(self.user.password, log)
        return [line.split(" verb=")[1] for line in log.splitlines() if " command " in line]

    def test_debug(self):
        self.assertEqual(self.commands_logged(), [])
        self.assertEqual(self.commands_logged("-d"), ["user", "pass", "noop", "quit"])

    def test_debug_for_one_user(self):
        self.write_home_file(b"set debug\n")
        self.assertEqual(self.commands_logged("-u"), ["noop", "quit"])

    def hung_up_after(self, config, *switches):
        with self.host.standalone(config, *switches) as port:
            client = self.host.login(port, self.user)
            start = time.monotonic()
            rest = client.file.read()
            client.close()
            self.assertTrue(rest.startswith(b"-ERR POP timeout"), rest)
            return time.monotonic() - start

    def test_timeout(self):
        self.assertTrue(1 <= self.hung_up_after(self.host.configure(timeout=2)) < PATIENCE)
        self.assertTrue(0.5 <= self.hung_up_after(self.host.configure(), "-T", "1") < PATIENCE)

    # Files of one user.

    def write_home_file(self, text):
        return self.host.write(os.path.join(self.user.home, ".qpopper-options"), text,
                               owner=self.user.uid, group=self.user.gid, mode=0o600)

    def write_spool_file(self, text, owner=0):
        return self.host.write(self.in_spool_dir(f".{self.user.name}.qpopper-options"), text,
                               owner=owner, mode=0o644)

    def test_user_options(self):
        self.write_home_file(b"set fast-update = true\n")
        self.assertTrue(self.inode_after_a_deletion())
        self.assertFalse(self.inode_after_a_deletion("-u"))
        self.assertFalse(self.inode_after_a_deletion(user_options=True))

    def test_user_options_refuse_what_only_the_administrator_may_set(self):
        for text in (b"set spool-dir = /\n", b"set temp-name = %s.x\n", b"set server-mode = maybe\n"):
            self.write_home_file(b"set fast-update = true\n" + text)
            self.assertTrue(self.inode_after_a_deletion(user_options=True), text)

    def test_user_options_of_somebody_else_are_not_read(self):
        path = self.write_home_file(b"set fast-update = true\n")
        os.rename(path, path + ".real")
        os.symlink(path + ".real", path)
        self.assertTrue(self.inode_after_a_deletion(user_options=True), "followed a link")
        os.unlink(path)
        os.mkfifo(path)
        self.assertTrue(self.inode_after_a_deletion(user_options=True), "read a pipe")

    def test_spool_options(self):
        self.write_spool_file(b"set fast-update = true\n")
        self.assertTrue(self.inode_after_a_deletion())
        self.assertFalse(self.inode_after_a_deletion("-U"))
        self.assertFalse(self.inode_after_a_deletion(spool_options=True))

    def test_spool_options_have_the_last_word(self):
        self.write_home_file(b"set fast-update = true\n")
        self.write_spool_file(b"reset fast-update\n")
        self.assertTrue(self.inode_after_a_deletion(user_options=True, spool_options=True))

    def test_spool_options_that_the_user_could_write_are_refused(self):
        path = self.write_spool_file(b"set fast-update = true\n", owner=self.user.uid)
        self.assertTrue(self.inode_after_a_deletion(spool_options=True), "the user's own file")
        os.chown(path, 0, 0)
        os.chmod(path, 0o666)
        self.assertTrue(self.inode_after_a_deletion(spool_options=True), "everybody's file")

    # Nothing is left lying about.

    def test_a_session_leaves_nothing_but_mail_and_index(self):
        for options in ({}, {"server_mode": True}, {"fast_update": True}):
            with self.subTest(**options):
                self.host.write_spool(self.user, self.spool)
                self.session(self.host.configure(**options), retrieve=[1], delete=[2])
                self.assertLessEqual(set(os.listdir(self.host.spool_dir)),
                                     {self.user.name, f".{self.user.name}.cache"})
                for path in glob.glob(self.in_spool_dir("*")) + glob.glob(self.in_spool_dir(".*")):
                    status = os.stat(path)
                    self.assertEqual(status.st_uid, self.user.uid, path)
                    self.assertEqual(stat.S_IMODE(status.st_mode) & 0o007, 0, path)


class LockRefreshTest(HostTest):
    """Slow on purpose: the dotlock is touched only when it has grown old."""

    def test_mail_lock_check(self):
        """A read takes 25 seconds in the middle of a rewrite; who looks at the lock after every
        message finds it old before the next one is read, and the others only at the end."""
        cases = [(self.user, 1, ()), (self.host.add_user("b"), 1_000_000, ()),
                 (self.host.add_user("c"), 1, ("-L1000000",))]
        later = {}

        def rewrite(user, every, switches):
            later[every, switches] = self.reads_after_the_touch(user, every, switches)

        threads = [threading.Thread(target=rewrite, args=case) for case in cases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertGreater(later[1, ()], 200)
        self.assertLess(later[1_000_000, ()], 20)
        self.assertLess(later[1, ("-L1000000",)], 20)

    def reads_after_the_touch(self, user, every, switches):
        """With update-status-headers a rewrite reads the header of each message by itself."""
        spool = self.host.write_spool(user, simple_spool(500))
        config = self.host.configure(f"{user.name}.conf", mail_lock_check=every)
        record = self.host.path(user.name + ".strace")
        prefix = ["strace", "-f", "-y", "-qq", "-o", record, "-P", spool, "-P", spool + ".lock",
                  "-e", "trace=pread64,utimensat", "-e",
                  "inject=pread64:delay_enter=25000000:when=250"]
        with self.host.inetd(config, *switches, prefix=prefix) as port:
            client = popper_host.poplib.POP3("127.0.0.1", port, timeout=3 * PATIENCE)
            client.user(user.name)
            client.pass_(user.password)
            client.dele(1)
            client.quit()
        with open(record) as stream:
            calls = [line.split()[1].split("(")[0] for line in stream if "resumed" not in line]
        return calls[calls.index("utimensat"):].count("pread64")


if __name__ == "__main__":
    popper_host.main()
