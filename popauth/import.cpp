#include <fcntl.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <set>

#include "auth/account.h"
#include "auth/device_use.h"
#include "base/text.h"
#include "popauth/import_source.h"
#include "popauth/popauth.h"
#include "tool/json.h"

namespace pop {
namespace {

using Changes = std::vector<CredentialChange>;
constexpr std::size_t largest_source = std::size_t{256} << 20;

// ---------------------------------------------------------------------------- the source

/// ndbm's FILE may be named without its ".pag"; GDBM's form of it is one file under that name.
Result<Fd> open_source(const std::string& file) {
  Fd fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (fd.is_open()) return fd;
  const int saved = errno;
  fd = Fd{::open((file + ".pag").c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (fd.is_open()) return fd;
  return fail_errno(saved, "open " + file);
}

Result<Secret> read_all(const Fd& file, const std::string& name) {
  std::string bytes;
  bytes.reserve(std::size_t{1} << 20);
  std::array<char, 64 * 1024> piece{};
  Result<void> done;
  while (done && bytes.size() <= largest_source) {
    const ssize_t got =
        ::pread(file.get(), piece.data(), piece.size(), static_cast<off_t>(bytes.size()));
    if (got < 0) done = fail_errno(errno, "read " + name);
    if (got <= 0) break;
    bytes.append(piece.data(), static_cast<std::size_t>(got));
  }
  wipe(piece);
  if (bytes.size() > largest_source) done = fail(Errc::limit, name + ": too large");
  Secret secret{bytes};
  wipe(bytes);
  if (!done) return std::unexpected(done.error());
  return secret;
}

Result<ImportFormat> format_of(const ImportArguments& arguments, std::string_view bytes) {
  if (arguments.format) {
    if (const auto format = import_format_of(*arguments.format)) return *format;
    return fail(Errc::usage, "--format " + escaped(*arguments.format) +
                                 ": none of popauth, qpopper, text, passwd-file");
  }
  if (const auto format = guess_import_format(bytes)) return *format;
  return fail(Errc::usage, "could be of two kinds: say --format text or --format passwd-file");
}

/// Without this the file would only be called damaged.
Error explained(Error error, const std::string& file) {
  const std::filesystem::path path{file};
  std::error_code unknown;
  const std::filesystem::path stem =
      path.extension() == ".pag" ? path.parent_path() / path.stem() : path;
  const bool is_ndbm = std::filesystem::exists(stem.native() + ".pag", unknown) &&
                       std::filesystem::exists(stem.native() + ".dir", unknown);
  if (!is_ndbm || error.code == Errc::io) return error;
  return {Errc::usage, file +
                           ": an ndbm file of another library than GDBM, which cannot be read "
                           "here: on the host that made it, copy it into a GDBM file, as "
                           "popauth(8) shows, and import that"};
}

Result<ImportSource> read_source(const ImportArguments& arguments) {
  Result<Fd> file = open_source(arguments.file);
  if (!file) return std::unexpected(file.error());
  const Result<Secret> bytes = read_all(*file, arguments.file);
  if (!bytes) return std::unexpected(bytes.error());
  const Result<ImportFormat> format = format_of(arguments, bytes->octets());
  if (!format) return std::unexpected(format.error());
  switch (*format) {
    case ImportFormat::popauth:
      return read_popauth_export(bytes->octets());
    case ImportFormat::text:
      return read_secret_lines(bytes->octets());
    case ImportFormat::passwd_file:
      return read_passwd_file(bytes->octets());
    case ImportFormat::qpopper:
      break;
  }
  Result<ImportSource> source = read_qpopper_file(std::move(*file), arguments.file);
  if (!source) return std::unexpected(explained(std::move(source).error(), arguments.file));
  return source;
}

// ---------------------------------------------------------------------------- what is taken

Result<void> make_keys(ImportSource& source) {
  for (ImportedUser& user : source.users) {
    if (!user.password) continue;
    if (Result<void> set = set_password(user.credential, *user.password, ApopUse::as_before);
        !set) {
      return std::unexpected(std::move(set).error().in(escaped(user.user)));
    }
  }
  return {};
}

void leave_out(ImportSource& source, std::size_t at, std::string why) {
  source.left_out.push_back({source.users[at].user, std::move(why)});
  source.users.erase(source.users.begin() + static_cast<std::ptrdiff_t>(at));
}

/// Names that no user can have, and second ones of a name.
void leave_odd_names_out(ImportSource& source) {
  std::set<std::string, std::less<>> seen;
  for (std::size_t i = 0; i < source.users.size();) {
    const std::string& user = source.users[i].user;
    if (!is_safe_user_name(user)) {
      leave_out(source, i, "not a name a user can have");
    } else if (!seen.insert(user).second) {
      leave_out(source, i, "comes twice; the first counts");
    } else {
      ++i;
    }
  }
}

/// What the source says comes in, the rest of the record stays.
Credential merged(Credential before, const Credential& from) {
  Credential what = from.clone();
  if (what.apop_secret) before.apop_secret = std::move(what.apop_secret);
  if (!what.password_hash.empty()) {
    // Keys of another password must not stay.
    before.password_hash = std::move(what.password_hash);
    before.scram_sha_256.reset();
    before.scram_sha_1.reset();
  }
  if (what.scram_sha_256) before.scram_sha_256 = std::move(what.scram_sha_256);
  if (what.scram_sha_1) before.scram_sha_1 = std::move(what.scram_sha_1);
  if (what.virtual_user) before.virtual_user = std::move(what.virtual_user);
  if (!what.devices.empty()) before.devices = std::move(what.devices);
  if (!what.newer_fields.empty()) before.newer_fields = std::move(what.newer_fields);
  return before;
}

/// Lines of last uses belong to the file that the export was made of.
class Slots {
 public:
  explicit Slots(std::set<std::uint32_t> taken) : taken_{std::move(taken)} {}
  void give(std::vector<DevicePassword>& devices) {
    for (DevicePassword& device : devices) {
      while (!taken_.insert(next_).second) ++next_;
      device.slot = next_;
    }
  }

 private:
  std::set<std::uint32_t> taken_;
  std::uint32_t next_ = 0;
};

Result<Changes> plan(const CredentialDb& now, ImportSource& source,
                     const ImportArguments& arguments) {
  std::set<std::uint32_t> taken;
  std::set<std::string, std::less<>> known;
  Result<void> walked = now.walk([&](std::string_view user, Result<Credential> credential) {
    known.emplace(user);
    if (!credential) return Result<void>{};
    for (const DevicePassword& device : credential->devices) taken.insert(device.slot);
    return Result<void>{};
  });
  if (!walked) return std::unexpected(std::move(walked).error());
  Slots slots{std::move(taken)};
  Changes changes;
  for (std::size_t i = 0; i < source.users.size();) {
    const ImportedUser& user = source.users[i];
    Result<std::optional<Credential>> before = std::optional<Credential>{};
    if (known.contains(user.user)) before = now.find(user.user);
    if (before && *before && !arguments.replace) {
      leave_out(source, i, "is there already; --replace would change it");
      continue;
    }
    if (!before) {
      leave_out(source, i, before.error().text);
      continue;
    }
    Credential after = merged(*before ? std::move(**before) : Credential{}, user.credential);
    if (!user.credential.devices.empty()) slots.give(after.devices);
    changes.push_back({user.user, std::move(after)});
    ++i;
  }
  return changes;
}

// ---------------------------------------------------------------------------- the report

std::string quantity(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " user" : " users");
}

void print_json(const ImportSource& source, const ToolRun& run) {
  Json::Array taken, left;
  for (const ImportedUser& user : source.users) {
    Json::Array remarks;
    for (const std::string& remark : user.remarks) remarks.push_back({remark});
    taken.push_back({Json::Object{{"user", {user.user}}, {"remarks", {std::move(remarks)}}}});
  }
  for (const LeftOut& one : source.left_out) {
    left.push_back({Json::Object{{"user", {one.user}}, {"why", {one.why}}}});
  }
  run.terminal.print(to_text({Json::Object{{"dry_run", {run.flags.mode == RunMode::dry_run}},
                                           {"taken", {std::move(taken)}},
                                           {"left_out", {std::move(left)}}}}));
}

void print_text(const ImportSource& source, const ToolRun& run) {
  const bool dry = run.flags.mode == RunMode::dry_run;
  for (const ImportedUser& user : source.users) {
    if (dry || run.flags.verbosity == Verbosity::verbose) {
      run.terminal.print((dry ? "would take " : "took ") + escaped(user.user) + "\n");
    }
    if (run.flags.verbosity == Verbosity::quiet) continue;
    for (const std::string& remark : user.remarks) {
      run.terminal.complain("import: warning: " + escaped(user.user) + ": " + remark);
    }
  }
  for (const LeftOut& one : source.left_out) {
    run.terminal.complain("import: left out: " + escaped(one.user) + ": " + one.why);
  }
  if (run.flags.verbosity == Verbosity::quiet) return;
  run.terminal.print((dry ? "would take " : "took ") + quantity(source.users.size()) + ", " +
                     (dry ? "would leave out " : "left out ") +
                     std::to_string(source.left_out.size()) + "\n");
}

Result<ImportSource> import(const ImportArguments& arguments, const CredentialSite& site,
                            const ToolRun& run) {
  Result<ImportSource> source = read_source(arguments);
  if (!source) return source;
  leave_odd_names_out(*source);
  if (Result<void> made = make_keys(*source); !made) return std::unexpected(made.error());
  const auto planned = [&](const CredentialDb& now) { return plan(now, *source, arguments); };
  if (run.flags.mode == RunMode::dry_run) {
    const Result<Changes> changes = planned(CredentialDb{site.file});
    if (!changes) return std::unexpected(changes.error());
    return source;
  }
  const bool has_devices = std::ranges::any_of(
      source->users, [](const ImportedUser& user) { return !user.credential.devices.empty(); });
  if (Result<void> made = has_devices ? DeviceUses::ensure(site.disk, site.file) : Result<void>{};
      !made) {
    return std::unexpected(made.error());
  }
  if (Result<void> done = CredentialDbWriter::update(site.disk, site.file, planned); !done) {
    return std::unexpected(std::move(done).error());
  }
  return source;
}

}  // namespace

ExitStatus run_import(const ImportArguments& arguments, const CredentialSite& site,
                      const ToolRun& run) {
  Result<ImportSource> source = import(arguments, site, run);
  if (!source) {
    return give_up(run.terminal,
                   std::move(source).error().in("import " + escaped(arguments.file, PATH_MAX)));
  }
  if (run.flags.form == OutputForm::json) {
    print_json(*source, run);
  } else {
    print_text(*source, run);
  }
  return source->left_out.empty() ? ExitStatus::ok : ExitStatus::found;
}

}  // namespace pop
