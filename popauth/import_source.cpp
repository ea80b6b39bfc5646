#include "popauth/import_source.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <utility>

#include "auth/account.h"
#include "base/base64.h"
#include "auth/credential_record.h"
#include "auth/password_hash.h"
#include "base/text.h"
#include "dbm/dbm_file.h"

namespace pop {
namespace {

constexpr std::array formats{
    std::pair{std::string_view{"popauth"}, ImportFormat::popauth},
    std::pair{std::string_view{"qpopper"}, ImportFormat::qpopper},
    std::pair{std::string_view{"text"}, ImportFormat::text},
    std::pair{std::string_view{"passwd-file"}, ImportFormat::passwd_file},
};

struct Line {
  std::size_t number;
  std::string_view text;
};

/// Neither empty nor a comment.
std::vector<Line> lines_of(std::string_view bytes) {
  std::vector<Line> lines;
  for (std::size_t number = 1; !bytes.empty(); ++number) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    std::string_view text = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    if (text.ends_with('\r')) text.remove_suffix(1);
    const std::string_view content = trimmed(text);
    if (!content.empty() && !content.starts_with('#')) lines.push_back({number, text});
  }
  return lines;
}

std::string name_of(const Line& line) {
  return "line " + std::to_string(line.number);
}

// ---------------------------------------------------------------------------- Qpopper

/// Secrets lie there with every bit turned, older ones as they are; turned ones are ASCII no more.
Secret turned_back(std::string_view stored) {
  const bool is_turned =
      std::ranges::all_of(stored, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  if (!is_turned) return Secret{stored};
  std::string secret{stored};
  for (char& c : secret) c = static_cast<char>(~c);
  Secret result{secret};
  wipe(secret);
  return result;
}

void take_qpopper_record(std::string_view key, std::string_view value, ImportSource& source) {
  const std::string_view name = key.substr(0, key.find('\0'));
  const std::size_t end = std::min(value.find('\0'), value.size());
  std::string_view scram = value.substr(std::min(end + 1, value.size()));
  scram = scram.substr(0, scram.find('\0'));
  ImportedUser user{.user = std::string{name}, .credential = {}, .password = {}, .remarks = {}};
  user.credential.apop_secret = turned_back(value.substr(0, end));
  if (!scram.empty()) user.remarks.emplace_back("its SCRAM-MD5 verifier is of no use here");
  if (user.credential.has_apop_secret()) {
    source.users.push_back(std::move(user));
  } else {
    source.left_out.push_back({user.user, scram.empty() ? "its secret is empty: APOP was off"
                                                        : "it has a SCRAM-MD5 verifier only"});
  }
}

// ---------------------------------------------------------------------------- passwd-file

/// user:password:uid:gid:gecos:home:shell:extra fields
struct PasswdLine {
  std::array<std::string_view, 8> fields;

  explicit PasswdLine(std::string_view line) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const bool is_last = i + 1 == fields.size();
      const std::size_t end = is_last ? line.size() : std::min(line.find(':'), line.size());
      fields[i] = line.substr(0, end);
      line.remove_prefix(std::min(end + 1, line.size()));
    }
  }
  [[nodiscard]] std::string_view user() const { return fields[0]; }
  [[nodiscard]] std::string_view password() const { return fields[1]; }
  [[nodiscard]] std::string_view uid() const { return fields[2]; }
  [[nodiscard]] std::string_view gid() const { return fields[3]; }
  [[nodiscard]] std::string_view home() const { return fields[5]; }
  [[nodiscard]] std::string_view extra() const { return fields[7]; }
};

/// "" or why the user must be left out.
using Verdict = std::string;

Verdict take_crypt(ImportedUser& user, std::string_view hash) {
  if (hash.starts_with('!') && is_password_hash(hash.substr(1))) {
    user.credential.password_hash = hash;
    return {};
  }
  if (!is_password_hash(hash)) return "its password hash is of no kind that crypt(3) knows";
  user.credential.password_hash = hash;
  return {};
}

Verdict take_clear(ImportedUser& user, std::string_view password) {
  if (password.empty()) return "its password is empty";
  user.password.emplace(password);
  return {};
}

/// Dovecot: "ITERATIONS,SALT,STORED-KEY,SERVER-KEY"
template <ScramHash hash, std::optional<ScramKeys> Credential::*target>
Verdict take_scram(ImportedUser& user, std::string_view text) {
  std::string words{text};
  std::ranges::replace(words, ',', ' ');
  user.credential.*target = scram_keys_of(hash, words);
  wipe(words);
  return user.credential.*target ? "" : "its SCRAM keys are damaged";
}

struct Scheme {
  std::string_view name;
  Verdict (*take)(ImportedUser& user, std::string_view password);
};
constexpr std::array schemes{
    Scheme{"CRYPT", take_crypt},
    Scheme{"SHA512-CRYPT", take_crypt},
    Scheme{"SHA256-CRYPT", take_crypt},
    Scheme{"MD5-CRYPT", take_crypt},
    Scheme{"BLF-CRYPT", take_crypt},
    Scheme{"DES-CRYPT", take_crypt},
    Scheme{"PLAIN", take_clear},
    Scheme{"CLEAR", take_clear},
    Scheme{"CLEARTEXT", take_clear},
    Scheme{"SCRAM-SHA-256", take_scram<ScramHash::sha_256, &Credential::scram_sha_256>},
    Scheme{"SCRAM-SHA-1", take_scram<ScramHash::sha_1, &Credential::scram_sha_1>},
};

Verdict take_password(ImportedUser& user, std::string_view text) {
  std::string_view scheme = "CRYPT";
  if (const std::size_t end = text.find('}'); text.starts_with('{') && end != text.npos) {
    scheme = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
  }
  const auto known = std::ranges::find_if(
      schemes, [scheme](const Scheme& one) { return equal_ignoring_case(one.name, scheme); });
  if (known != schemes.end()) return known->take(user, text);
  return "its password has the scheme " + escaped(scheme, 40) + ", which is not known here";
}

Verdict take_ids(ImportedUser& user, const PasswdLine& line) {
  if (line.uid().empty() && line.gid().empty()) return {};
  const auto uid = decimal(line.uid());
  const auto gid = decimal(line.gid());
  constexpr std::uint64_t none = std::numeric_limits<std::uint32_t>::max();
  if (!uid || !gid || *uid >= none || *gid >= none) return "its uid and gid are not two numbers";
  if (*uid == 0 || *gid == 0) return "a virtual user must have neither root's uid nor its gid";
  if (!line.home().starts_with('/')) return "it has no home directory";
  user.credential.virtual_user = Credential::Virtual{.uid = static_cast<uid_t>(*uid),
                                                     .gid = static_cast<gid_t>(*gid),
                                                     .home = line.home(),
                                                     .maildrop = {}};
  return {};
}

/// "mbox:~/mail:INBOX=/var/mail/jo", "maildir:~/Maildir": the path of the inbox.
std::string maildrop_of(std::string_view location, std::string_view home) {
  const std::size_t inbox = location.find(":INBOX=");
  std::string_view path =
      inbox == location.npos ? location.substr(location.find(':') + 1) : location.substr(inbox + 7);
  path = path.substr(0, path.find(':'));
  if (path.starts_with("~/")) return std::string{home} + std::string{path.substr(1)};
  return path.starts_with('/') && path.find('%') == path.npos ? std::string{path} : std::string{};
}

void take_mail(ImportedUser& user, std::string_view location, std::string_view home) {
  const bool is_mbox_folder =
      location.starts_with("mbox:") && location.find(":INBOX=") == location.npos;
  const std::string path = is_mbox_folder ? "" : maildrop_of(location, home);
  if (user.credential.virtual_user && !path.empty()) {
    user.credential.virtual_user->maildrop = path;
  } else {
    user.remarks.push_back("where its mail is was not understood: " + escaped(location));
  }
}

Verdict take_extra(ImportedUser& user, const PasswdLine& line) {
  std::string_view rest = line.extra();
  while (!(rest = trimmed(rest)).empty()) {
    const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(end);
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string_view name = word.substr(0, equals);
    if (name == "userdb_mail") {
      take_mail(user, word.substr(std::min(equals + 1, word.size())), line.home());
    } else if (name.starts_with("userdb_")) {
      user.remarks.push_back("left out: " + escaped(name));
    } else {
      return "the field " + escaped(name) + " may restrict it, and cannot be kept";
    }
  }
  return {};
}

}  // namespace

std::optional<ImportFormat> import_format_of(std::string_view word) {
  for (const auto& [name, format] : formats) {
    if (name == word) return format;
  }
  return std::nullopt;
}

std::optional<ImportFormat> guess_import_format(std::string_view bytes) {
  constexpr std::size_t colons_of_passwd = 4;
  if (bytes.starts_with("credential ")) return ImportFormat::popauth;
  if (bytes.substr(0, 4096).find('\0') != std::string_view::npos) return ImportFormat::qpopper;
  const std::vector<Line> lines = lines_of(bytes);
  const bool all_long = std::ranges::all_of(lines, [](const Line& line) {
    return std::ranges::count(line.text, ':') >= static_cast<std::ptrdiff_t>(colons_of_passwd);
  });
  if (!lines.empty() && all_long) return ImportFormat::passwd_file;
  return std::nullopt;
}

ImportSource read_popauth_export(std::string_view bytes) {
  ImportSource source;
  for (FoundRecord& found : find_credentials(bytes)) {
    if (!found.credential) {
      source.left_out.push_back({found.user, found.credential.error().text});
      continue;
    }
    source.users.push_back({.user = std::move(found.user),
                            .credential = std::move(*found.credential),
                            .password = {},
                            .remarks = {}});
  }
  return source;
}

ImportSource read_secret_lines(std::string_view bytes) {
  ImportSource source;
  for (const Line& line : lines_of(bytes)) {
    const std::size_t colon = line.text.find(':');
    if (colon == std::string_view::npos) {
      source.left_out.push_back({name_of(line), "has no colon"});
      continue;
    }
    const std::string name{trimmed(line.text.substr(0, colon))};
    const std::string_view secret = trimmed(line.text.substr(colon + 1));
    if (secret.empty()) {
      source.left_out.push_back({name, "its secret is empty"});
      continue;
    }
    ImportedUser user{.user = name, .credential = {}, .password = {}, .remarks = {}};
    user.credential.apop_secret.emplace(secret);
    source.users.push_back(std::move(user));
  }
  return source;
}

ImportSource read_passwd_file(std::string_view bytes) {
  ImportSource source;
  for (const Line& text : lines_of(bytes)) {
    const PasswdLine line{text.text};
    ImportedUser user{
        .user = std::string{line.user()}, .credential = {}, .password = {}, .remarks = {}};
    Verdict verdict = line.user().empty() ? "has no user" : "";
    if (verdict.empty()) verdict = take_password(user, line.password());
    if (verdict.empty()) verdict = take_ids(user, line);
    if (verdict.empty()) verdict = take_extra(user, line);
    if (verdict.empty()) {
      source.users.push_back(std::move(user));
    } else {
      source.left_out.push_back({user.user.empty() ? name_of(text) : user.user, verdict});
    }
  }
  return source;
}

Result<ImportSource> read_qpopper_file(Fd file, const std::string& name) {
  const Result<DbmFile> dbm = DbmFile::open(std::move(file), name, DbmFile::Access::read);
  if (!dbm) return std::unexpected(dbm.error());
  ImportSource source;
  Result<void> walked = dbm->walk([&source](std::string_view key, std::string_view value) {
    take_qpopper_record(key, value, source);
    return Result<void>{};
  });
  if (!walked) return std::unexpected(std::move(walked).error());
  std::ranges::sort(source.users, {}, &ImportedUser::user);
  std::ranges::sort(source.left_out, {}, &LeftOut::user);
  return source;
}

}  // namespace pop
