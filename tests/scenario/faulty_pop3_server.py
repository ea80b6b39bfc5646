"""A POP3 server that does one thing wrong, or none, and knows it by name."""

import base64
import contextlib
import itertools
import os
import re
import socket
import ssl
import threading

USER, PASSWORD = "jo", "right horse"
PATIENCE = 60

MESSAGES = [
    b"Subject: one\r\n\r\nhello\r\n.a dot\r\nworld\r\nthe end\r\n",
    b"Subject: two\r\nX-Long: " + b"x" * 300 + b"\r\n\r\n" + b"line\r\n" * 10,
    b"Subject: three\r\n\r\n",
]


class HangUp(Exception):
    pass


class FaultyServer:
    """Serves on a port of its own until close(). What lies in `arrivals` is delivered at the next
    login."""

    def __init__(self, fault="", tls=None, implicit=False, arrivals=None):
        self.fault, self.tls, self.implicit, self.arrivals = fault, tls, implicit, arrivals
        self.messages = [(b"id-%d" % number, text) for number, text in enumerate(MESSAGES)]
        self.names = itertools.count(100)
        self.stamps = itertools.count(1)
        self.logins = self.passwords = 0
        self.proofs = set()  # passwords and answers of SASL, as they came
        self.lock = threading.Lock()
        self.owner = None
        self.open = set()
        self.ended = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.ended = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.threads[0].join()
        with self.lock:
            for connection in self.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads[1:]:
            thread.join()

    def accept(self):
        while not self.ended:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self.serve, args=(connection,))
            self.threads.append(thread)
            with self.lock:
                self.open.add(connection)
            thread.start()

    def serve(self, connection):
        session = Session(self, connection)
        try:
            session.run()
        except (OSError, HangUp):  # ssl.SSLError is one of the former
            pass
        finally:
            with self.lock:
                if self.owner is session:
                    self.owner = None
                self.open.discard(connection)
            session.socket.close()
            connection.close()

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.tls)
        if self.fault == "TLS 1.0 is spoken":
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
        return context

    def take_arrivals(self):
        if self.arrivals is None or not os.path.exists(self.arrivals):
            return
        with open(self.arrivals, "rb") as stream:
            text = stream.read()
        os.unlink(self.arrivals)
        if self.fault == "tabs become blanks":
            text = text.replace(b"\t", b" ")
        self.messages.append((b"id-%d" % next(self.names), text.replace(b"\n", b"\r\n")))


class Session:
    def __init__(self, server, connection):
        self.server, self.socket = server, connection
        self.buffer = b""
        self.secure = False
        self.user = None
        self.mail = None  # since login: [id, text, deleted]
        self.retrieved = self.listings = 0
        self.last_line = b""

    def is_wrong(self, fault):
        return self.server.fault == fault

    # Lines.

    def send(self, text):
        self.socket.sendall(text)

    def ok(self, text=b""):
        self.send(b"+OK" + (b" " + text if text else b"") + b"\r\n")

    def err(self, text=b"no"):
        if self.is_wrong("a response code that is none"):
            text = b"[] " + text
        if self.is_wrong("refusals say back what came"):
            text = b"bad command: " + self.last_line
        if self.is_wrong("refusals say back what came, as a code"):
            text = b"[bad command: " + self.last_line + b"]"
        if self.is_wrong("refusals say back what came, and nothing else") and self.server.proofs:
            return self.send(self.last_line + b"\r\n")
        self.send(b"-ERR " + text + b"\r\n")

    def lines(self, lines):
        self.ok(b"x" * 600 if self.is_wrong("a reply line too long") else b"")
        self.send(b"".join(line + b"\r\n" for line in lines) + b".\r\n")

    def line(self):
        while b"\n" not in self.buffer:
            got = self.socket.recv(65536)
            if not got:
                raise HangUp
            self.buffer += got
        line, self.buffer = self.buffer.split(b"\n", 1)
        if self.is_wrong("pipelined commands are lost") and b"\n" in self.buffer:
            self.buffer = b""
        self.last_line = line.rstrip(b"\r")
        return self.last_line

    # The dialogue.

    def run(self):
        if self.server.implicit:
            self.begin_tls()
        self.greet()
        while True:
            word, _, argument = self.line().partition(b" ")
            if not self.is_wrong("small letters are not known"):
                word = word.upper()
            self.answer(word, argument)

    def greet(self):
        number = next(self.server.stamps)
        if self.is_wrong("a stamp comes twice"):
            number = 1
        stamp = b"<%d.1@host>" % number
        if self.is_wrong("a stamp is no message-id"):
            stamp = b"<@host>"
        if self.is_wrong("the server is silent"):
            self.line()
        if self.is_wrong("a line never ends"):
            while True:
                self.send(b"+OK " * 10000)
        if self.is_wrong("the greeting is no answer"):
            return self.send(b"220 smtp.example.org ESMTP\r\n")
        if self.is_wrong("the greeting refuses"):
            return self.send(b"-ERR come back later\r\n")
        end = b"\n" if self.is_wrong("lines end with LF") else b"\r\n"
        self.send(b"+OK hello " + stamp + end)

    def answer(self, word, argument):
        if len(word) > 1000:
            return self.ok() if self.is_wrong("a long line is taken") else self.err()
        before = {b"CAPA": self.capa, b"STLS": self.stls, b"USER": self.take_user,
                  b"PASS": self.take_password, b"AUTH": self.auth, b"QUIT": self.quit,
                  b"APOP": self.apop}
        after = {b"STAT": self.stat, b"LIST": self.list, b"UIDL": self.uidl, b"RETR": self.retr,
                 b"TOP": self.top, b"DELE": self.dele, b"RSET": self.rset, b"NOOP": self.noop,
                 b"CAPA": self.capa, b"QUIT": self.quit}
        known = before if self.mail is None else after
        if word in known:
            return known[word](argument)
        if self.is_wrong("mail is counted before login") and word == b"STAT":
            return self.ok(b"0 0")
        if self.is_wrong("every word is a command") and word not in after:
            return self.ok()
        self.err(b"what?")

    def capa(self, _):
        if self.is_wrong("CAPA is refused after login") and self.mail is not None:
            return self.err()
        self.listings += 1
        while self.is_wrong(f"listing {self.listings} of CAPA never ends"):
            self.send(b"+OK\r\n" + b"\r\n" * 10000)
        names = [b"USER", b"TOP", b"UIDL", b"RESP-CODES", b"AUTH-RESP-CODE", b"PIPELINING"]
        if self.server.tls and not self.server.implicit and (
                not self.secure or self.is_wrong("STLS is announced under TLS")):
            names.append(b"STLS")
        if self.is_wrong("a capability comes twice"):
            names.append(b"TOP")
        sasl = [b"PLAIN"]
        if self.is_wrong("SCRAM lets in without a proof"):
            sasl.append(b"SCRAM-SHA-256")
        if self.is_wrong("a mechanism is announced and not known"):
            sasl.append(b"CRAM-MD5")
        self.lines(names + [b"SASL " + b" ".join(sasl)])

    def stls(self, _):
        if self.server.tls is None or self.secure or self.is_wrong("STLS is refused"):
            return self.err()
        self.ok()
        if self.is_wrong("what comes behind STLS is answered in clear") and self.buffer:
            self.answer(self.line(), b"")
        if not self.is_wrong("what came in clear is done under TLS"):
            self.buffer = b""
        self.begin_tls()

    def begin_tls(self):
        self.socket = self.server.context().wrap_socket(self.socket, server_side=True)
        self.secure = True

    # Login.

    def take_user(self, argument):
        self.user = argument.decode()
        self.ok()

    def take_password(self, argument):
        self.server.proofs.add(argument)
        self.log_in(argument.decode() == PASSWORD)

    def apop(self, _):
        self.err(b"[AUTH] no secret")

    def auth(self, argument):
        mechanism, _, response = argument.partition(b" ")
        if mechanism == b"SCRAM-SHA-256" and self.is_wrong("SCRAM lets in without a proof"):
            self.user = USER
            return self.log_in(True)
        if mechanism != b"PLAIN":
            return self.err(b"what?")
        if not response:
            self.send(b"+ \r\n")
            response = self.line()
        self.server.proofs.add(response)
        _, user, password = base64.b64decode(response).split(b"\0")
        self.user = user.decode()
        self.log_in(password.decode() == PASSWORD)

    def log_in(self, proved):
        server = self.server
        server.passwords += 1
        if self.is_wrong("nobody is let in"):
            proved = False
        if self.is_wrong("any password will do"):
            proved = True
        if not proved or self.user != USER:
            code = b"" if self.is_wrong("a wrong password is not named so") else b"[AUTH] "
            return self.err(code + b"wrong")
        with server.lock:
            server.logins += 1
            if self.is_wrong("logins are delayed unannounced") and server.logins > 1:
                return self.err(b"[LOGIN-DELAY] later")
            if server.owner is not None and not self.is_wrong("a second session is let in"):
                return self.err(b"full" if self.is_wrong("in use is not named so")
                                else b"[IN-USE] busy")
            server.owner = self
            server.take_arrivals()
            self.mail = [[name, text, False] for name, text in server.messages]
        self.ok()

    # Mail.

    def left(self):
        """(number, message) of what is not deleted."""
        every = list(enumerate(self.mail, 1))
        left = [each for each in every if not each[1][2]]
        if self.is_wrong("DELE renumbers") and len(left) < len(every):
            return list(enumerate([message for _, message in left], 1))
        return left

    def named(self, argument):
        found = [message for number, message in self.left() if str(number).encode() == argument]
        return found[0] if found else None

    def stat(self, _):
        left = self.left()
        octets = sum(len(text) for _, (_, text, _) in left)
        if self.is_wrong("STAT counts wrong"):
            octets += 1
        self.ok(b"many" if self.is_wrong("STAT counts in words") else b"%d %d" % (len(left), octets))

    def listing(self, argument, value, wrong):
        if argument:
            message = self.named(argument)
            if message is None:
                return self.err()
            return self.ok(argument + b" " + value(message) + (b"1" if wrong else b""))
        lines = [b"%d " % number + value(message) for number, message in self.left()]
        return lines

    def list(self, argument):
        lines = self.listing(argument, lambda message: b"%d" % len(message[1]),
                             self.is_wrong("LIST of one says something else"))
        if lines is not None:
            self.lines(lines[::-1] if self.is_wrong("LIST is out of order") else lines)

    def uidl(self, argument):
        def name_of(message):
            if self.is_wrong("all have one id"):
                return b"id"
            if self.is_wrong("an id has 71 characters"):
                return message[0] + b"-" * (71 - len(message[0]))
            if self.is_wrong("ids change with the session"):
                return message[0] + b".%d" % self.server.logins
            return message[0]
        lines = self.listing(argument, name_of, self.is_wrong("UIDL of one says something else"))
        if lines is not None:
            self.lines(lines)

    def stuffed(self, text):
        if self.is_wrong("dots are not doubled"):
            return text
        return re.sub(rb"(?m)^\.", b"..", text)

    def retr(self, argument):
        message = self.named(argument)
        if message is None:
            return self.ok() if self.is_wrong("what is not there is answered") else self.err()
        text = message[1]
        self.retrieved += 1
        if self.is_wrong("RETR sends more than LIST says"):
            text += b"one line more\r\n"
        if self.is_wrong("RETR is another each time"):
            text = text[:9] + b"%c" % (65 + self.retrieved % 26) + text[10:]
        self.ok()
        self.send(self.stuffed(text) + b".\r\n")

    def top(self, argument):
        number, _, count = argument.partition(b" ")
        message = self.named(number)
        if message is None:
            return self.err()
        header, body = message[1].split(b"\r\n\r\n", 1)
        wanted = int(count) + (1 if self.is_wrong("TOP sends a line too many") else 0)
        lines = body.split(b"\r\n")[:-1][:wanted]
        self.ok()
        self.send(self.stuffed(header + b"\r\n\r\n" + b"".join(line + b"\r\n" for line in lines))
                  + b".\r\n")

    def dele(self, argument):
        message = self.named(argument)
        if message is None:
            return self.err()
        message[2] = True
        self.ok()
        if self.is_wrong("a deletion needs no QUIT"):
            self.commit()

    def rset(self, _):
        if not self.is_wrong("RSET takes nothing back"):
            for message in self.mail:
                message[2] = False
        self.ok()

    def noop(self, _):
        if self.is_wrong("NOOP is refused"):
            return self.err()
        self.ok()

    def commit(self):
        gone = {name for name, _, deleted in self.mail if deleted}
        if gone and self.is_wrong("QUIT deletes one more"):
            gone.add(self.mail[0][0])
        with self.server.lock:
            self.server.messages = [each for each in self.server.messages if each[0] not in gone]

    def quit(self, _):
        if self.mail is not None and not self.is_wrong("QUIT deletes nothing"):
            self.commit()
        self.ok()
        if self.is_wrong("QUIT keeps the connection"):
            self.line()
        raise HangUp
