"""An authority of the test's own, and what it signs."""

import os
import ssl
import subprocess


def openssl(*arguments, **more):
    done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60, **more)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(arguments)}: {done.stderr.decode()}")
    return done.stdout


EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("-newkey", "rsa:2048")


def alternative_name(name):
    if "@" in name:
        return "email:" + name
    return ("IP:" if name[0].isdigit() else "DNS:") + name


class Authority:
    def __init__(self, folder, name="Test Root"):
        os.mkdir(folder)
        self.folder = folder
        self.certificate, self.key = self.path("root.pem"), self.path("root.key")
        openssl("req", "-x509", *EC, "-nodes", "-days", "30", "-subj", f"/CN={name}",
                "-keyout", self.key, "-out", self.certificate,
                "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature")
        self.serial = 4096

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, file, *names, kind=EC, passphrase=None, subject=None, usage="serverAuth"):
        """FILE.pem with the chain, FILE.key."""
        certificate, key = self.path(file + ".pem"), self.path(file + ".key")
        self.serial += 1
        secrecy = ["-passout", "pass:" + passphrase] if passphrase else ["-nodes"]
        openssl("req", "-x509", *kind, *secrecy, "-days", "20", "-set_serial", str(self.serial),
                "-subj", subject or f"/CN={names[0]}", "-CA", self.certificate, "-CAkey", self.key,
                "-keyout", key, "-out", certificate,
                "-addext", "basicConstraints=CA:FALSE", "-addext", "extendedKeyUsage=" + usage,
                "-addext", "subjectAltName=" + ",".join(alternative_name(name) for name in names))
        with open(certificate, "a") as chain, open(self.certificate) as root:
            chain.write(root.read())
        return certificate, key

    def vouch(self, certificate):
        """An OCSP response that says good."""
        index, response = self.path("index.txt"), certificate + ".ocsp"
        with open(index, "w") as stream:
            stream.write(f"V\t401231235959Z\t\t{self.serial:X}\tunknown\t/CN=whoever\n")
        with open(index + ".attr", "w"):
            pass
        openssl("ocsp", "-index", index, "-CA", self.certificate, "-rsigner", self.certificate,
                "-rkey", self.key, "-issuer", self.certificate, "-cert", certificate,
                "-ndays", "5", "-respout", response, "-noverify")
        return response

    def client(self, **more):
        """What a client that trusts this authority knows."""
        context = ssl.create_default_context(cafile=self.certificate)
        for name, value in more.items():
            setattr(context, name, value)
        return context


def serial_of(connection):
    """Of the certificate that the server showed, as an integer."""
    return int(connection.getpeercert()["serialNumber"], 16)


def secret_number(key):
    """Of an ECDSA key in a file, as octets, the highest first."""
    der = openssl("pkey", "-in", key, "-outform", "DER")
    begin = der.index(b"\x02\x01\x01\x04\x20") + 5
    return der[begin:begin + 32]
