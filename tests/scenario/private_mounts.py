"""Processes that see other files under /etc than this machine has."""

import contextlib
import ctypes
import os
import shutil

CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000


def see_instead(files):
    """For preexec_fn: in a mount namespace of its own, each path of `files` is the file it names."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(function, *arguments):
        if function(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(arguments))

    def change():
        call(libc.unshare, CLONE_NEWNS)
        call(libc.mount, b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
        for path, source in files.items():
            call(libc.mount, source.encode(), path.encode(), None, ctypes.c_ulong(MS_BIND), None)

    return change


# What programs of a test read of /etc.
USED_OF_ETC = ("passwd", "group", "shadow", "nsswitch.conf", "ld.so.cache", "ld.so.conf",
               "localtime", "hosts")


def copy_of_etc(directory):
    """A directory for see_instead({"/etc": ...}). To mount a single file would not do: useradd(8) and
    its kind rename another over /etc/group, which ends such mounts everywhere."""
    os.mkdir(directory, 0o755)
    for name in USED_OF_ETC:
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(os.path.join("/etc", name), directory)
    return directory


def bind(source, path):
    """After see_instead(): the directory `path` is the other one, with what is mounted there."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), path.encode(), None, ctypes.c_ulong(MS_BIND | MS_REC), None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def prefix_for(files):
    """The same as words in front of a command."""
    binds = " && ".join(f"mount --bind '{source}' '{path}'" for path, source in files.items())
    return ("unshare", "--mount", "sh", "-c", binds + ' && exec "$@"', "sh")
