"""Who may include whom."""

import posixpath
import re

from source_tree import numbered

LOWER = ["log", "dbm", "mail", "pop3", "conf", "ipc"]
UPPER = ["store", "auth", "tls", "tool", "mime"]
TOP = ["daemon", "bull"]  # what several programs need of the rooms below
ROOMS = ["base"] + LOWER + UPPER + TOP

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')

# Library header, and the files that may include it.
CONFINED = [
    (r"^gdbm\.h$", r"^common/dbm/dbm_file\.cpp$"),
    (r"^openssl/ssl\.h$", r"^common/tls/"),
    (r"^openssl/", r"^common/(auth|mail|tls)/[^/]+\.cpp$|^common/tls/"),
    (r"^sasl/", r"^common/auth/sasl_(server\.cpp|client\.cpp|modules\.h)$"),
    (r"^stringprep\.h$", r"^common/auth/saslprep\.cpp$"),
    (r"^security/", r"^common/auth/pam_(conversation|transaction|password_change)[^/]*$"),
    (r"^crypt\.h$", r"^common/auth/[^/]+\.cpp$"),
    (r"^toml\+\+/|^toml\.hpp$", r"^common/conf/toml_document\.h$"),
    (r"^CLI/", r"^common/(conf/command_line\.cpp$|tool/)"),
    (r"^rpc/", r"^popper/notify/drac_notifier\.cpp$"),
    (r"^(mysql|errmsg)\.h$", r"^popper/notify/sql_notifier\.cpp$"),
    (r"^krb5", r"^popper/kerberos_acceptor\.cpp$"),
    (r"^gssapi", r"^popper/gss_acceptor\.cpp$"),
    (r"^dlfcn\.h$", r"^common/(base/shared_library|auth/sasl_modules)\.cpp$"),
    (r"^seccomp\.h$", r"^common/daemon/sandbox\.cpp$|^popper/session_filter\.cpp$"),
    (r"^xxhash\.h$", r"^common/(mail|store)/"),
    (r"^gmime/|^gio/|^glib", r"^common/mime/|^popspool/(mime_text|text_search)\.cpp$|^popbull/mime_composer\.cpp$"),
    (r"^archive(_entry)?\.h$", r"^popspool/tar_file\.cpp$|^popcheck/log_source\.cpp$"),
    (r"^nlohmann/", r"^common/tool/"),
]

# The rooms that only turn bytes into facts.
PURE = re.compile(r"^common/(mail|pop3)/")
IMPURE_HEADER = re.compile(
    r"^(fcntl\.h|unistd\.h|poll\.h|sys/.*|ctime|time\.h|filesystem|fstream|thread|mutex|"
    r"base/(clock|disk|fd|file_replacement)\.h)$")
CLOCK = re.compile(r"_clock::now\s*\(|\bsystem_clock\s*\(\s*\)|\b(gettimeofday|clock_gettime)\s*\(")

# Headers that cost every file that includes ours.
HEAVY = re.compile(r"^(regex|iostream|fmt/.*)$")


def may_include(room):
    if room == "base":
        return {"base"}
    if room in LOWER:
        return {"base", room}
    if room in UPPER:
        return {"base", room} | set(LOWER)
    if room in TOP:
        return {"base", room} | set(LOWER) | set(UPPER)
    return set(ROOMS)


def place_of(path):
    """The room or program that a source file belongs to."""
    parts = path.split("/")
    return parts[1] if parts[0] == "common" else parts[0]


def includes(text):
    for line, content in numbered(text):
        match = INCLUDE.match(content)
        if match:
            yield line, match.group(1) or match.group(2), match.group(1) is not None


def owner_of(header):
    head = header.split("/")[0]
    return head if "/" in header else ""


def check_map(tree):
    found = []
    for path, text in tree.sources().items():
        place = place_of(path)
        for line, header, quoted in includes(text):
            if not quoted:
                continue
            owner = owner_of(header)
            beside = posixpath.join(posixpath.dirname(path), header)
            if owner in ROOMS:
                if owner not in may_include(place):
                    found.append(f"{path}:{line}: {place} may not include {header}")
            elif path.startswith("common/"):
                found.append(f'{path}:{line}: write the room into "{header}"')
            elif owner != place and beside not in tree.files:
                found.append(f"{path}:{line}: {place} may not include {header}")
    return found


def linked_rooms(cmake):
    """common/CMakeLists.txt as room -> rooms it may use, directly or through another."""
    uses = {}
    for name, rest in re.findall(r"pop_room\((\w+)([^)]*)\)", cmake):
        uses[name] = set(re.findall(r"\bpop_(\w+)", rest))
    closed = {}
    for room in uses:
        seen, queue = {room}, [room]
        while queue:
            for used in uses.get(queue.pop(), ()):
                if used not in seen:
                    seen.add(used)
                    queue.append(used)
        closed[room] = seen
    return closed


def check_links(tree):
    found = []
    linked = linked_rooms(tree.files["common/CMakeLists.txt"])
    for room, used in linked.items():
        for other in sorted(used - may_include(room)):
            found.append(f"common/CMakeLists.txt: {room} may not use {other}")
    for path, text in tree.matching(r"^common/.*\.(h|cpp)$").items():
        for line, header, quoted in includes(text):
            owner = owner_of(header)
            if quoted and owner in ROOMS and owner not in linked.get(place_of(path), set()):
                found.append(f"{path}:{line}: common/CMakeLists.txt does not link {owner}")
    return found


def check_libraries(tree):
    found = []
    for path, text in tree.sources().items():
        for line, header, _ in includes(text):
            rule = next((files for name, files in CONFINED if re.search(name, header)), None)
            if rule is not None and not re.search(rule, path):
                found.append(f"{path}:{line}: <{header}> belongs to {rule}")
            if path.endswith(".h") and HEAVY.search(header):
                found.append(f"{path}:{line}: <{header}> is too costly for a header")
    return found


def check_purity(tree):
    found = []
    for path, text in tree.sources().items():
        if not PURE.search(path):
            continue
        for line, header, _ in includes(text):
            if IMPURE_HEADER.search(header):
                found.append(f"{path}:{line}: {place_of(path)} knows no descriptor, clock or file: {header}")
        for line, content in numbered(text):
            if CLOCK.search(content.split("//")[0]):
                found.append(f"{path}:{line}: {place_of(path)} reads a clock")
    return found
