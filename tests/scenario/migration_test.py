#!/usr/bin/env python3
"""A site moves over with its files as they are: what guide and FAQ of Qpopper print as samples is loaded
and served, and so is a file with every option."""

import os
import poplib
import re
import struct
import subprocess

import popper_host
from old_databases import write_apop_secrets
from popper_host import PATIENCE, POPAUTH, POPPER, PREFIX, free_port, simple_spool, stop, wait_until
from tls_host import TlsHostTest, content_of

DOC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "doc")

# Options of Qpopper 4.1, each with another value than the default where that lets a login succeed.
# ROOT is a directory of the test's own.
EVERY_OPTION = """\
set announce-expire = -1
set announce-login-delay = 0
set auth-file = ROOT/allowed
reset auto-delete
set bulldb-max-retires = 5
set bulldb-nonfatal
set bulldir = "ROOT/bulletins"
set cache-dir = ROOT/caches    # away from the spools
set cache-name = .%s.index
reset check-hash-dir
set check-old-spool-loc = false
set check-password-expired = 0
set chunky-writes = ssl
set clear-text-password = always
set conservative-cache = true
set debug = 1
set downcase-user
set fast-update
set group-bulletins = true
set hash-spool = 2
set home-dir-misc = false
set keep-temp-drop
reset kerberos
set kerberos-service = pop
set log-facility = local1
set log-login = "(v%0) POP login by user \\"%1\\" at (%2) %3"
set mail-lock-check = 0x1f4
set max-bulletins = 10
set no-atomic-open
set nonauth-file = 'ROOT/refused'
reset old-style-uid
set reverse-lookup = false
set sasl-forward-secrecy = false
set sasl-log-login = "login %1 %5 %6"
set sasl-max-ssf = 4294967295
set sasl-min-ssf = 0
set sasl-no-active = false
set sasl-no-anonymous = true
set sasl-no-dictionary = false
set sasl-no-plaintext = true
set server-mode
set shy
\tset   spool-options=true
set statistics
set temp-dir = ROOT/drops
set temp-name = .%s.drop
set timeout = 30
set timing
set tls-cipher-list = DEFAULT
set tls-options = 0x00000800
set tls-private-key-file = KEY
set tls-server-cert-file = CERTIFICATE
set tls-support = stls
set tls-version = SSLv23
reset tls-workarounds
set tracefile = ROOT/trace
set trim-domain
set update-on-abort = false
set update-status-headers = false
set user-options
set UW-kludge = true
set config-file = ROOT/place.conf"""  # without a line end, as the last line of many a file


class MigrationTest(TlsHostTest):
    def place(self, **more):
        """What says where this test's mail is, which no sample can know."""
        return self.host.configure("place.conf", **more)

    def write(self, name, text):
        return self.host.write(self.host.path(name), text.encode(), mode=0o644)

    def count(self, port, name=None):
        client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
        client.user(name or self.user.name)
        client.pass_(self.user.password)
        count = client.stat()[0]
        client.quit()
        return count

    def serving(self, text, **more):
        """A sample, and after it where the mail is."""
        path = self.write("sample.conf", text.rstrip("\n") + "\nset config-file = "
                          + self.place(**more) + "\n")
        return self.host.standalone(path)

    def make_folders(self, *folders, within):
        """With owner and mode of the directory above."""
        above = os.stat(within)
        for folder in folders:
            within = os.path.join(within, folder)
            os.makedirs(within, exist_ok=True)
            os.chown(within, above.st_uid, above.st_gid)
            os.chmod(within, above.st_mode & 0o7777)
        return within

    def hashed(self, *folders):
        """The spool, where hash-spool wants it."""
        here = self.make_folders(*folders, within=self.host.spool_dir)
        self.host.write_spool(self.user, simple_spool(3), os.path.join(here, self.user.name))
        os.unlink(self.host.spool_path(self.user))

    # The guide and the FAQ.

    def guides_certificate(self):
        """Key first and certificate behind it in one file, as both documents make it."""
        return self.host.write(self.host.path("cert.pem"),
                               content_of(self.key) + content_of(self.certificate), mode=0o600)

    def test_the_guides_tls_sample(self):
        sample = (f"set tls-support = stls\n\n"
                  f"set tls-server-cert-file = {self.guides_certificate()}\n")
        with self.serving(sample) as port:
            self.login(port, "stls").quit()

    def test_the_guides_three_files_for_both_ways_of_tls(self):
        third = self.write("qpopper-tls.config",
                           f"set tls-server-cert-file = {self.guides_certificate()}\n"
                           f"set config-file = {self.place()}\n")
        for word, mode in (("stls", "stls"), ("alternate-port", "implicit")):
            path = self.write(f"qpopper-{word}.config",
                              f"set tls-support = {word}\nset config-file = {third}\n")
            with self.host.standalone(path) as port:
                self.login(port, mode).quit()

    def test_the_guides_hashed_spools(self):
        self.hashed(self.user.name[0], self.user.name[1])
        with self.serving("set hash-spool = 2\n\nreset check-hash-spool\n") as port:
            self.assertEqual(self.count(port), 3)

    def test_the_guides_lines_without_blanks(self):
        drops = self.host.make_spool_dir("guides-drops")
        letter = chr(ord("a") + sum(self.user.name.encode()[:5]) % 26)
        self.hashed(letter)
        with self.serving(f"set temp-dir={drops}\nset hash-spool=1\nset max-bulletins=10\n"
                          "reset check-old-spool-loc\nreset update-status-headers\n") as port:
            self.assertEqual(self.count(port), 3)

    def test_mail_in_the_home_directory(self):
        """$HOME/Mailbox of the FAQ, and .mail with its files beside it of the guide."""
        for sample, name in (("set home-dir-mail = Mailbox\n", "Mailbox"),
                             ("set home-dir-mail=.mail\nset home-dir-misc\n", ".mail")):
            self.host.write(os.path.join(self.user.home, name), simple_spool(2),
                            owner=self.user.uid, group=self.user.gid, mode=0o600)
            with self.serving(sample) as port:
                self.assertEqual(self.count(port), 2)

    def test_the_faqs_lines(self):
        trace = self.host.path("faqs-trace")
        with self.serving(f"set tracefile = {trace}\nset tls-options = 0x00000800\n"
                          "set chunky-writes = tls\nset timeout = 300\n"
                          "set update-status-headers = false\n") as port:
            self.assertEqual(self.count(port), 3)
        self.assertIn("session-end", content_of(trace).decode())

    def test_names_that_the_documents_misspelt_were_refused(self):
        with self.serving("set reverse-lookups = false\nset bulldb-max-retries = 3\n"
                          "reset enable-fast-update\nset bulldb-max-retires = 3\n"
                          "reset check-hash-spool\n") as port:
            self.assertEqual(self.count(port), 3)

    def test_an_error_is_told_with_its_line(self):
        """The FAQ's "Unable to process configuration file", with no trace file to search."""
        path = self.write("wrong.conf", "set timeout = 5\nset sever-mode\n")
        done = subprocess.run([POPPER, "127.0.0.1:1", "-f", path], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f'{path}:2:5: unknown option "sever-mode"; did you mean server-mode',
                      done.stderr)

    # Everything.

    def everything(self):
        root = self.host.path("everything")
        os.mkdir(root, 0o755)
        letters = self.user.name[:2]
        for name in ("drops", "caches"):
            self.make_folders(*letters, within=self.host.make_spool_dir(f"everything/{name}"))
        os.mkdir(os.path.join(root, "bulletins"), 0o755)
        self.host.write(os.path.join(root, "allowed"), self.user.name.encode(), mode=0o644)
        self.host.write(os.path.join(root, "refused"), b"somebody\n", mode=0o644)
        os.rename(self.place(), os.path.join(root, "place.conf"))
        return (EVERY_OPTION.replace("ROOT", root).replace("KEY", self.key)
                .replace("CERTIFICATE", self.certificate))

    def test_a_file_with_every_option_of_qpopper(self):
        text = self.everything()
        path = self.write("every.conf", text)
        self.hashed(self.user.name[0], self.user.name[1])
        shown = subprocess.run([POPPER, "-f", path, "--show-config"], capture_output=True,
                               text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        from_here = re.findall(r"# .*every\.conf:(\d+)$", shown.stdout, re.MULTILINE)
        self.assertEqual(len(set(from_here)), text.count("\n"), "each line but the last set one")
        with self.host.standalone(path) as port:
            self.assertEqual(self.count(port, self.user.name.upper() + "@example.org"), 3)
            wait_until(lambda: " session-end " in self.host.log(port), "it ends")
            self.assertIn(f'POP login by user "{self.user.name}" at', self.host.log(port))

    def with_all_lines(self, sample):
        """A sample of ours with each commented line as if it were not."""
        with open(os.path.join(DOC, sample)) as stream:
            lines = stream.read().splitlines()
        told = re.compile(r"#(set |reset |[a-z0-9-]+ = |\[\[)")
        return "".join((line[1:] if told.match(line) else line) + "\n" for line in lines)

    def test_our_samples_with_every_line(self):
        """The classic one and the one in TOML: every option at its default."""
        more = self.write("more.conf", "# nothing\n")
        for sample in ("qpopper-style.conf.sample", "popper.toml.sample"):
            with self.subTest(sample):
                text = self.with_all_lines(sample).replace("/etc/popper/more.conf", more)
                path = self.write(sample, text)
                place = self.place()  # its settings come as switches, which are the last word
                switches = [f"--{name}={value}" for name, value in
                            re.findall(r'set ([\w-]+) = "?([^"\n]*)', content_of(place).decode())]
                with self.host.standalone(path, *switches) as port:
                    self.assertEqual(self.count(port), 3)

    def test_what_was_for_ssl_plus_says_so_once(self):
        identity = self.host.write(self.host.path("identity.crt"), content_of(self.certificate)
                                   + content_of(self.key), mode=0o600)
        sample = f"set tls-support = alternate-port\nset tls-identity-file = {identity}\n"
        with self.serving(sample) as port:
            for _ in range(3):
                self.login(port, "implicit").quit()
            self.assertEqual(self.host.log(port).count("it was for SSL Plus"), 1)

    # What lies on the disk.

    def test_an_apop_database(self):
        """popauth takes it over; what an administrator is told to do first."""
        old, path = self.host.path("pop.auth"), self.host.path("secrets.gdbm")
        write_apop_secrets(old, {self.user.name: "old secret"})
        for arguments in (["init"], ["import", old]):
            subprocess.run([POPAUTH, *arguments, "-q", "--credential-file", path], check=True,
                           timeout=PATIENCE, stdin=subprocess.DEVNULL)
        with self.serving("set clear-text-password = default\n", credential_file=path) as port:
            client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            client.apop(self.user.name, "old secret")
            self.assertEqual(client.stat()[0], 3)
            client.quit()
            self.assert_says("[AUTH]", self.count, port)

    def test_the_cache_of_server_mode_is_made_anew(self):
        """Qpopper's holds its memory as it lay there; ours has the same name."""
        cache = self.host.write(os.path.join(self.host.spool_dir, f".{self.user.name}.cache"),
                                b"+Qpop+" + struct.pack("@6l", 1, 200, 64, 1, 3, 400) + b"\n"
                                + bytes(600), owner=self.user.uid)
        with self.serving("set server-mode\n") as port:
            for _ in range(2):
                self.assertEqual(self.count(port), 3)
        self.assertFalse(content_of(cache).startswith(b"+Qpop+"))

    # Who starts it.

    def test_the_faqs_xinetd_example(self):
        """The program's name among its arguments and all, on a port of our own."""
        port, config = free_port(), self.place()
        service = self.write("xinetd.conf", f"""service {PREFIX}
{{
\ttype\t=\tUNLISTED
\tbind\t=\t127.0.0.1
\tsocket_type\t=\tstream
\tprotocol\t=\ttcp
\twait\t=\tno
\tuser\t=\troot
\tserver\t=\t{POPPER}
\tserver_args\t=\tqpopper -s -f {config}
\tport\t=\t{port}
}}
""")
        process = subprocess.Popen(
            ["xinetd", "-f", service, "-dontfork", "-pidfile", self.host.path("xinetd.pid"),
             "-filelog", self.host.path("xinetd.log")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: popper_host.accepts(port), "xinetd listens")
            self.assertEqual(self.count(port), 3)
        finally:
            stop(process)

    def test_the_line_of_inetd_conf(self):
        """pop3 stream tcp nowait root /usr/local/lib/popper qpopper -s"""
        named = ("bash", "-c", 'exec -a qpopper "$@"', "bash")
        with self.host.inetd(self.place(), "-s", prefix=named) as port:
            self.assertEqual(self.count(port), 3)

    def test_the_faqs_pam_file(self):
        """Its modules by their names of today: pam_unix for pam_pwdb, and nothing for pam_cracklib,
        which is asked only when a password changes. As it stands the file lets nobody in, and the
        log says who knows why."""
        sample = ("#%PAM-1.0\n"
                  "auth required /lib/security/pam_pwdb.so shadow\n"
                  "account required /lib/security/pam_pwdb.so\n"
                  "password required /lib/security/pam_cracklib.so\n"
                  "password required /lib/security/pam_pwdb.so nullok use_authtok md5 shadow\n"
                  "session required /lib/security/pam_pwdb.so\n")
        today = sample.replace("/lib/security/pam_pwdb", "pam_unix")
        service = "/etc/pam.d/" + self.host.add_pam_service()
        before = content_of(service)
        self.addCleanup(lambda: self.host.write(service, before, mode=0o644))
        for text, lets_in in ((today, True), (sample, False)):
            self.host.write(service, text.encode(), mode=0o644)
            with self.subTest(lets_in=lets_in), self.host.standalone(self.place()) as port:
                if lets_in:
                    self.assertEqual(self.count(port), 3)
                else:
                    self.assert_says("[SYS/TEMP] The server cannot check logins now", self.count,
                                     port)
                    wait_until(lambda: "popcheck system tells" in self.host.log(port), "the remedy")


if __name__ == "__main__":
    popper_host.main()
