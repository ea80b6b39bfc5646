"""A POP3 client that speaks AUTH octet by octet, and mechanisms that can be told to go wrong."""

import base64
import hashlib
import hmac
import os
import re
import socket
import subprocess

from super_servers import PATIENCE


def encoded(octets):
    return base64.b64encode(octets)


class Client:
    """One connection; lines without their ends."""

    def __init__(self, port, wrap=None, source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE,
                                               source_address=(source, 0))
        if wrap:
            self.socket = wrap(self.socket)
        self.stream = self.socket.makefile("rb")
        self.greeting = self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def line(self):
        return self.stream.readline().rstrip(b"\r\n")

    def send(self, *lines):
        self.socket.sendall(b"".join(line + b"\r\n" for line in lines))

    def say(self, line):
        self.send(line)
        return self.line()

    def rest(self, line):
        """Of a reply of many lines."""
        self.send(line)
        if not self.line().startswith(b"+OK"):
            return []
        return list(iter(self.line, b"."))

    def capabilities(self):
        return {line.split()[0]: line.split()[1:] for line in self.rest(b"CAPA")}

    def mechanisms(self):
        return self.capabilities().get(b"SASL", [])

    def challenge_after(self, line):
        said = self.say(line)
        assert said.startswith(b"+ "), said
        return base64.b64decode(said[2:])

    def respond(self, octets):
        return self.say(encoded(octets))

    def start_tls(self, context):
        assert self.say(b"STLS").startswith(b"+OK")
        self.stream.close()
        self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.stream = self.socket.makefile("rb")


class ExportingClient:
    """Over TLS 1.3 by openssl, which tells what both ends can export (RFC 9266)."""

    def __init__(self, port):
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-starttls", "pop3",
             "-tls1_3", "-nocommands", "-keymatexport", "EXPORTER-Channel-Binding",
             "-keymatexportlen", "32"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.exported = None
        while self.exported is None:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError("openssl has made no connection")
            found = re.match(rb"\s*Keying material: ([0-9A-F]{64})\s*$", line)
            if found:
                self.exported = bytes.fromhex(found.group(1).decode())

    def close(self):
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stdin.close()
        self.process.stdout.close()

    def say(self, line):
        self.process.stdin.write(line + b"\r\n")
        self.process.stdin.flush()
        for reply in self.process.stdout:
            if reply.startswith((b"+", b"-ERR")):
                return reply.rstrip(b"\r\n")
        return b""

    respond = Client.respond


def challenge_in(line):
    """Its octets; None when the line is no challenge."""
    return base64.b64decode(line[2:], validate=True) if line.startswith(b"+ ") else None


def plain(client, user, password, acts_for=b""):
    return client.say(b"AUTH PLAIN " + encoded(acts_for + b"\0" + user + b"\0" + password))


def login(client, user, password):
    if client.say(b"AUTH LOGIN") != b"+ " + encoded(b"Username:"):
        raise AssertionError("LOGIN asks for no name")
    client.respond(user)
    return client.respond(password)


def cram_md5_answer(client, user, password):
    challenge = challenge_in(client.say(b"AUTH CRAM-MD5"))
    return encoded(user + b" " + hmac.new(password, challenge, "md5").hexdigest().encode())


def cram_md5(client, user, password):
    return client.say(cram_md5_answer(client, user, password))


class Scram:
    """RFC 5802, step by step."""

    def __init__(self, user, password, mechanism=b"SCRAM-SHA-256", flag=b"n", binding=b""):
        self.user, self.password, self.mechanism = user, password, mechanism
        self.hash = "sha1" if b"SHA-1" in mechanism else "sha256"
        self.header = flag + b",,"
        self.binding = binding
        self.nonce = encoded(os.urandom(18))
        self.bare = b"n=" + user + b",r=" + self.nonce

    def hashed(self, key, text):
        return hmac.new(key, text, self.hash).digest()

    def begin(self, client):
        """The server's challenge as a table; None when there is none."""
        line = client.say(b"AUTH " + self.mechanism + b" " + encoded(self.header + self.bare))
        self.challenge = challenge_in(line)
        if self.challenge is None:
            self.refusal = line
            return None
        self.facts = dict(part.split(b"=", 1) for part in self.challenge.split(b","))
        return self.facts

    def final(self):
        final = b"c=" + encoded(self.header + self.binding) + b",r=" + self.facts[b"r"]
        salted = hashlib.pbkdf2_hmac(self.hash, self.password, base64.b64decode(self.facts[b"s"]),
                                     int(self.facts[b"i"]))
        message = self.bare + b"," + self.challenge + b"," + final
        client_key = self.hashed(salted, b"Client Key")
        signature = self.hashed(hashlib.new(self.hash, client_key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.expected = self.hashed(self.hashed(salted, b"Server Key"), message)
        return final + b",p=" + encoded(proof)

    def answer(self, client):
        """The server's line after our proof."""
        return client.respond(self.final())

    def finish(self, client, line):
        """The last line, after the server has proved itself."""
        if challenge_in(line) != b"v=" + encoded(self.expected):
            return line
        return client.say(b"")

    def run(self, client):
        if self.begin(client) is None:
            return self.refusal
        return self.finish(client, self.answer(client))


def rc4(key):
    """Octets in, octets out, one stream for all calls."""
    box, j = list(range(256)), 0
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) % 256
        box[i], box[j] = box[j], box[i]
    state = [0, 0]

    def crypt(octets):
        out = bytearray()
        for octet in octets:
            i = state[0] = (state[0] + 1) % 256
            j = state[1] = (state[1] + box[i]) % 256
            box[i], box[j] = box[j], box[i]
            out.append(octet ^ box[(box[i] + box[j]) % 256])
        return bytes(out)

    return crypt


class Digest:
    """DIGEST-MD5 (RFC 2831), with its layers."""

    def __init__(self, user, password, protection=b"auth"):
        self.user, self.password, self.protection = user, password, protection

    def begin(self, client):
        """The server's challenge as a table."""
        self.facts = dict(re.findall(rb'([a-z-]+)="?([^",]*(?:,[^"=]*)?)"?(?:,|$)',
                                     challenge_in(client.say(b"AUTH DIGEST-MD5"))))
        return self.facts

    def final(self):
        md5 = lambda text: hashlib.md5(text).digest()
        hexed = lambda text: hashlib.md5(text).hexdigest().encode()
        cnonce, nonce, realm = encoded(os.urandom(12)), self.facts[b"nonce"], self.facts[b"realm"]
        first = md5(b":".join((self.user, realm, self.password))) + b":" + nonce + b":" + cnonce
        self.secret = md5(first)
        second = b"AUTHENTICATE:pop/" + realm
        if self.protection != b"auth":
            second += b":" + b"0" * 32
        digest = hexed(b":".join((hexed(first), nonce, b"00000001", cnonce, self.protection,
                                  hexed(second))))
        cipher = b',cipher=rc4' if self.protection == b"auth-conf" else b""
        return (b'username="%s",realm="%s",nonce="%s",cnonce="%s",nc=00000001,qop=%s%s,'
                b'digest-uri="pop/%s",response=%s,maxbuf=65536' % (
                    self.user, realm, nonce, cnonce, self.protection, cipher, realm, digest))

    def run(self, client):
        self.begin(client)
        line = client.respond(self.final())
        return client.say(b"") if line.startswith(b"+ ") else line

    def layer(self, client):
        return DigestLayer(client, self)


class DigestLayer:
    """Says lines inside of the layer."""

    def __init__(self, client, digest):
        self.client, self.sent, self.taken, self.text = client, 0, 0, b""
        key = lambda words: hashlib.md5(digest.secret + words).digest()
        ways = (b"client-to-server", b"server-to-client")
        self.sign_keys = [key(b"Digest session key to " + way + b" signing key magic constant")
                          for way in ways]
        self.ciphers = None
        if digest.protection == b"auth-conf":
            self.ciphers = [rc4(key(b"Digest H(A1) to " + way + b" sealing key magic constant"))
                            for way in ways]

    def signature(self, way, number, octets):
        return hmac.new(self.sign_keys[way], number + octets, "md5").digest()[:10]

    def wrapped(self, octets):
        number = self.sent.to_bytes(4, "big")
        self.sent += 1
        body = octets + self.signature(0, number, octets)
        if self.ciphers:
            body = self.ciphers[0](body)
        body += b"\0\1" + number
        return len(body).to_bytes(4, "big") + body

    def send(self, line):
        self.client.socket.sendall(self.wrapped(line + b"\r\n"))

    def line(self):
        while b"\n" not in self.text:
            size = int.from_bytes(self.client.stream.read(4), "big")
            packet = self.client.stream.read(size)
            if len(packet) < 16:
                return b""  # the connection has ended
            body, number = packet[:-6], packet[-4:]
            if self.ciphers:
                body = self.ciphers[1](body)
            octets, signature = body[:-10], body[-10:]
            if number != self.taken.to_bytes(4, "big"):
                raise AssertionError("a packet is missing")
            if signature != self.signature(1, number, octets):
                raise AssertionError("a packet was changed")
            self.taken += 1
            self.text += octets
        line, _, self.text = self.text.partition(b"\n")
        return line.rstrip(b"\r")

    def say(self, line):
        self.send(line)
        return self.line()
