// Messages and exit statuses are those of Qpopper's popauth, which scripts may rely on.
#include "popauth/classic.h"

#include <pwd.h>

#include <algorithm>
#include <array>

#include "auth/account.h"
#include "auth/credential_db.h"
#include "base/text.h"
#include "popauth/password_source.h"
#include "popauth/popauth.h"

namespace pop {
namespace {

using Verb = ClassicCommand::Verb;
using Stored = std::optional<Credential>;
using Changes = std::vector<CredentialChange>;

constexpr int done = 0;
constexpr int failed = 1;
constexpr std::string_view whole_list = "ALL";

constexpr std::array words{"-init", "-safe",  "-list", "-user",  "-delete",
                           "-only", "-trace", "-help", "-debug", "-version"};

constexpr std::string_view help_text =
    "popauth [-init [-safe]] [-list [USER | ALL]] [-user USER [PASSWORD]] [-delete USER]\n"
    "        [-only] [-trace FILE] [-version] [-help]\n"
    "Without arguments: change your own. Subcommands: popauth --help\n";

struct Caller {
  std::string name;  // empty: the system does not know him
  uid_t uid;
  bool is_root, is_owner;

  [[nodiscard]] bool may_change_others() const { return is_root || is_owner; }
};

Caller caller_of(const ClassicSite& site) {
  const passwd* const entry = ::getpwuid(site.caller);
  Caller caller{.name = entry == nullptr ? "" : entry->pw_name,
                .uid = site.caller,
                .is_root = site.caller == 0,
                .is_owner = false};
  caller.is_owner = !site.owner.empty() && caller.name == site.owner;
  return caller;
}

/// One run: everything a step needs.
class Classic {
 public:
  Classic(const ClassicCommand& command, const ClassicSite& site, Terminal& terminal)
      : command_{command},
        site_{site},
        terminal_{terminal},
        caller_{caller_of(site)},
        is_scram_{site.program == "scramauth"} {}

  int run();

 private:
  int init();
  int list();
  int list_all();
  int erase();
  int change();
  int list_user(const std::string& user, const Stored& stored);
  [[nodiscard]] bool may_touch(const Stored& stored) const;
  [[nodiscard]] bool must_prove(const Stored& stored) const;
  [[nodiscard]] bool is_secret_of(const Credential& stored, const Secret& secret) const;
  bool prove_old(const Stored& stored);
  std::optional<Secret> ask_new();
  std::optional<Secret> ask_good();
  Result<Credential> changed(const Stored& stored, const Secret& password) const;
  int store(const std::string& user, const Secret& password);
  [[nodiscard]] std::string mechanism() const;
  int refuse(std::string_view who);
  int give_up(const Error& error);
  int fail_with(std::string_view text);
  void log(const std::string& text) { site_.log.sentence(Severity::notice, text); }

  const ClassicCommand& command_;
  const ClassicSite& site_;
  Terminal& terminal_;
  Caller caller_;
  bool is_scram_;
  std::optional<Secret> proven_;  // the old secret, for the proof under the lock
};

int Classic::fail_with(std::string_view text) {
  terminal_.complain(text);
  return failed;
}

int Classic::give_up(const Error& error) {
  return fail_with(error.text);
}

int Classic::refuse(std::string_view who) {
  return fail_with("Only " + std::string{who} + " can perform the requested function");
}

std::string Classic::mechanism() const {
  if (!is_scram_) return "only APOP";
  return command_.only ? "only SCRAM" : "SCRAM";
}

int Classic::run() {
  if (site_.program != "popauth" && site_.program != "apopauth" && !is_scram_) {
    return fail_with("Unknown mode: " + escaped(site_.program));
  }
  switch (command_.verb) {
    case Verb::help:
      terminal_.print(help_text);
      return failed;
    case Verb::version:
      terminal_.print("popauth " POPPER_VERSION "\n");
      return done;
    case Verb::init:
      return init();
    case Verb::list:
      return list();
    case Verb::erase:
      return erase();
    case Verb::change:
    case Verb::change_own:
      break;
  }
  return change();
}

// ---------------------------------------------------------------------------- -init

int Classic::init() {
  if (!caller_.is_root) return refuse("superuser");
  const bool exists = site_.disk.status(AT_FDCWD, site_.file.native()).has_value();
  if (exists && command_.safe) {
    terminal_.tell("POP authentication DB not initialized (exists): " + site_.file.native());
    return done;
  }
  if (exists) {
    terminal_.tell("Really initialize POP authentication DB? ", Terminal::LineEnd::none);
    const Result<Secret> answer = terminal_.read_secret_line();
    if (!answer || !answer->octets().starts_with('y')) return failed;
    log("user \"" + caller_.name + "\" removed existing db \"" + site_.file.native() + "\"");
  }
  Result<void> made = make_credential_directory(site_.disk, site_.file, site_.owner);
  if (made) {
    made = exists ? CredentialDbWriter::empty(site_.disk, site_.file)
                  : CredentialDbWriter::create(site_.disk, site_.file);
  }
  if (!made) return give_up(made.error());
  log("user \"" + caller_.name + "\" initialized db \"" + site_.file.native() + "\"");
  return done;
}

// ---------------------------------------------------------------------------- -list

int Classic::list() {
  const std::string user = command_.user.empty() ? caller_.name : command_.user;
  const bool all = command_.user == whole_list;  // the word, even to a user of that name
  if ((all || user != caller_.name) && !caller_.may_change_others()) {
    return refuse("superuser or user \"" + site_.owner + "\"");
  }
  if (all) return list_all();
  const Result<Stored> stored = CredentialDb{site_.file}.find(user);
  if (!stored) return give_up(stored.error());
  return list_user(user, *stored);
}

int Classic::list_user(const std::string& user, const Stored& stored) {
  if (!stored) {
    return fail_with("no entry for \"" + escaped(user) + "\" in POP authentication DB");
  }
  std::string line = escaped(user);
  line.resize(std::max<std::size_t>(line.size(), 16), ' ');
  line += stored->has_apop_secret() ? ": APOP" : ":     ";
  line += stored->scram_sha_256 || stored->scram_sha_1 ? " SCRAM\n" : "      \n";
  terminal_.print(line);
  return done;
}

int Classic::list_all() {
  const CredentialDb credentials{site_.file};
  const Result<std::vector<std::string>> users = credentials.users();
  if (!users) return give_up(users.error());
  int status = done;
  for (const std::string& user : *users) {
    const Result<Stored> stored = credentials.find(user);
    if ((stored ? list_user(user, *stored) : give_up(stored.error())) != done) status = failed;
  }
  return status;
}

// ---------------------------------------------------------------------------- -delete

int Classic::erase() {
  if (!caller_.may_change_others()) return refuse("superuser or user \"" + site_.owner + "\"");
  const Result<Stored> stored = CredentialDb{site_.file}.find(command_.user);
  if (!stored) return give_up(stored.error());
  const std::string user = escaped(command_.user);
  if (!*stored) return fail_with("User '" + user + "' not found in authentication database");
  terminal_.tell("Warning: deleting user \"" + user + "\"");
  std::vector<CredentialChange> changes;
  changes.push_back({command_.user, std::nullopt});
  Result<void> erased = CredentialDbWriter::apply(site_.disk, site_.file, std::move(changes));
  if (!erased) return give_up(erased.error());
  log("\"" + command_.user + "\" deleted by \"" + caller_.name + "\" from db \"" +
      site_.file.native() + "\"");
  return done;
}

// ---------------------------------------------------------------------------- a new secret

/// A virtual user of one's name is somebody else.
bool Classic::may_touch(const Stored& stored) const {
  if (caller_.may_change_others()) return true;
  return !stored || !stored->virtual_user || stored->virtual_user->uid == caller_.uid;
}

bool Classic::must_prove(const Stored& stored) const {
  const bool has_secret = stored && (stored->has_apop_secret() || stored->scram_sha_256 ||
                                     stored->scram_sha_1 || !stored->password_hash.empty());
  return has_secret && !caller_.may_change_others();
}

/// Where both are there, popauth asks for its own.
bool Classic::is_secret_of(const Credential& stored, const Secret& secret) const {
  if (is_scram_ || !stored.has_apop_secret()) return is_password_of(stored, secret);
  return equal_in_constant_time(stored.apop_secret->octets(), secret.octets());
}

bool Classic::prove_old(const Stored& stored) {
  if (!must_prove(stored)) return true;
  Result<Secret> old = terminal_.ask_secret(is_scram_ ? "Old pass phrase:" : "Old password:");
  if (!old) return give_up(old.error()) == done;
  const bool right = is_secret_of(*stored, *old);
  if (right) proven_ = std::move(*old);
  if (!right) terminal_.complain("Sorry, password entered incorrectly");
  return right;
}

std::optional<Secret> Classic::ask_good() {
  const std::string_view what = is_scram_ ? "New pass phrase:" : "New password:";
  for (int attempt = 1;; ++attempt) {
    Result<Secret> secret = terminal_.ask_secret(what);
    if (!secret) {
      terminal_.complain(secret.error());
      return std::nullopt;
    }
    const std::string_view octets = secret->octets();
    const Strength strength = strength_of(octets);
    // Whoever insists gets it.
    if (octets.empty() || octets == "*" || strength == Strength::good || attempt == 2) {
      return std::move(*secret);
    }
    terminal_.tell(strength == Strength::too_short
                       ? "Please use a longer password."
                       : "Please use at least one non-numeric character.");
  }
}

std::optional<Secret> Classic::ask_new() {
  std::optional<Secret> secret = ask_good();
  if (!secret) return std::nullopt;
  if (secret->empty()) {
    terminal_.tell("Password unchanged.");
    return std::nullopt;
  }
  const Result<Secret> again =
      terminal_.ask_secret(is_scram_ ? "Retype new pass phrase:" : "Retype new password:");
  if (again && equal_in_constant_time(again->octets(), secret->octets())) return secret;
  terminal_.tell("Mismatch -- password unchanged.");
  return std::nullopt;
}

/// "*" is no secret: the mechanism is off. A record that has a password of its own gets it, too,
/// so that nobody has two.
Result<Credential> Classic::changed(const Stored& stored, const Secret& password) const {
  Credential credential = stored ? stored->clone() : Credential{};
  const bool off = password.octets() == "*";
  const bool has_password = credential.password_hash.find_first_not_of('!') != std::string::npos;
  if (off && is_scram_) {
    credential.scram_sha_256.reset();
    credential.scram_sha_1.reset();
  } else if (off) {
    credential.apop_secret.emplace();
  } else if (has_password) {
    const ApopUse apop = is_scram_ ? ApopUse::as_before : ApopUse::store;
    if (Result<void> set = set_password(credential, password, apop); !set) {
      return std::unexpected(set.error());
    }
  } else if (is_scram_) {
    if (Result<void> set = set_scram_keys(credential, password); !set) {
      return std::unexpected(set.error());
    }
  } else {
    credential.apop_secret = password.clone();
  }
  if (is_scram_ && !command_.only) credential.apop_secret.reset();
  return credential;
}

int Classic::store(const std::string& user, const Secret& password) {
  bool existed = false;
  const auto plan = [&](const CredentialDb& now) -> Result<Changes> {
    const Result<Stored> before = now.find(user);
    if (!before) return std::unexpected(before.error());
    if (!may_touch(*before))
      return fail(Errc::denied, "a virtual user of this name came meanwhile");
    if (must_prove(*before) && !(proven_ && is_secret_of(**before, *proven_)))
      return fail(Errc::changed, "the password was changed meanwhile");
    existed = before->has_value();
    Result<Credential> after = changed(*before, password);
    if (!after) return std::unexpected(std::move(after).error());
    Changes changes;
    changes.push_back({user, std::move(*after)});
    return changes;
  };
  Result<void> stored = CredentialDbWriter::update(site_.disk, site_.file, plan);
  if (!stored) return give_up(stored.error());
  log(caller_.name + (existed ? " changed " : " added ") + mechanism() + " password for " + user);
  return done;
}

int Classic::change() {
  const std::string user = command_.verb == Verb::change ? command_.user : caller_.name;
  if (user.empty()) return fail_with("the system does not know you");
  if (command_.verb == Verb::change && !caller_.may_change_others()) {
    return refuse("superuser or user \"" + site_.owner + "\"");
  }
  if (!is_safe_user_name(user)) return fail_with(escaped(user) + ": not a name a user can have");
  const Result<Stored> stored = CredentialDb{site_.file}.find(user);
  if (!stored) return give_up(stored.error());
  if (!may_touch(*stored)) return refuse("superuser or user \"" + site_.owner + "\"");
  terminal_.tell((*stored ? "Changing " : "Adding ") + mechanism() + " password for " +
                 escaped(user) + ".");
  if (command_.password) {
    terminal_.complain(
        "warning: every user of this machine can read a password on the command line");
    if (command_.password->empty()) return fail_with("Password unchanged.");
    return store(user, Secret{*command_.password});
  }
  if (!prove_old(*stored)) return failed;
  const std::optional<Secret> password = ask_new();
  return password ? store(user, *password) : failed;
}

/// The argument behind a word, if there is one that is no word itself.
std::optional<std::string> operand(const std::vector<std::string>& arguments, std::size_t& at) {
  if (at + 1 >= arguments.size() || arguments[at + 1].starts_with('-')) return std::nullopt;
  return arguments[++at];
}

Result<void> need(const std::optional<std::string>& value, std::string_view word) {
  if (value) return {};
  return fail(Errc::usage, std::string{word} + ": what? See popauth -help");
}

Result<void> take_word(ClassicCommand& command, const std::vector<std::string>& arguments,
                       std::size_t& at) {
  const std::string& word = arguments[at];
  const auto choose = [&command, &word](Verb verb) -> Result<void> {
    if (command.verb != Verb::change_own) {
      return fail(Errc::usage, word + ": one thing at a time; see popauth -help");
    }
    command.verb = verb;
    return {};
  };
  if (word == "-safe") command.safe = true;
  if (word == "-only") command.only = true;
  if (word == "-trace") {
    command.trace = operand(arguments, at);
    return need(command.trace, word);
  }
  if (word == "-init") return choose(Verb::init);
  if (word == "-help") return choose(Verb::help);
  if (word == "-version") return choose(Verb::version);
  if (word == "-list" || word == "-delete" || word == "-user") {
    const std::optional<std::string> user = operand(arguments, at);
    command.user = user.value_or("");
    if (word == "-list") return choose(Verb::list);
    if (Result<void> there = need(user, word); !there) return there;
    if (word == "-delete") return choose(Verb::erase);
    // A password may begin with anything but one of our words.
    if (at + 1 < arguments.size() && std::ranges::find(words, arguments[at + 1]) == words.end()) {
      command.password = arguments[++at];
    }
    return choose(Verb::change);
  }
  if (std::ranges::find(words, word) != words.end()) return {};
  return fail(Errc::usage, escaped(word) + ": not understood; see popauth -help");
}

}  // namespace

bool is_classic(std::string_view program, const std::vector<std::string>& arguments) {
  if (program == "apopauth" || program == "scramauth" || arguments.empty()) return true;
  return std::ranges::find(words, arguments.front()) != words.end();
}

Result<ClassicCommand> read_classic(const std::vector<std::string>& arguments) {
  ClassicCommand command;
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    const bool is_help = arguments[at] == "--help";  // was taken, too
    if (is_help) command.verb = Verb::help;
    if (is_help) continue;
    if (Result<void> taken = take_word(command, arguments, at); !taken) {
      return std::unexpected(std::move(taken).error());
    }
  }
  return command;
}

int run_classic(const ClassicCommand& command, const ClassicSite& site, Terminal& terminal) {
  const int status = Classic{command, site, terminal}.run();
  return terminal.flush() ? status : failed;
}

Strength strength_of(std::string_view password) {
  const auto has = [password](auto kind) { return std::ranges::any_of(password, kind); };
  const bool lower_case = has([](char c) { return c >= 'a' && c <= 'z'; });
  const bool upper_case = has([](char c) { return c >= 'A' && c <= 'Z'; });
  const bool digits = has([](char c) { return c >= '0' && c <= '9'; });
  const bool others =
      has([](char c) { return !(c >= '0' && c <= '9') && !(lower(c) >= 'a' && lower(c) <= 'z'); });
  if (digits && !lower_case && !upper_case && !others) return Strength::digits_only;
  const int classes = int{lower_case} + int{upper_case} + int{digits};
  const std::size_t needed = others || classes == 3 ? 4 : classes == 2 ? 5 : 6;
  return password.size() >= needed ? Strength::good : Strength::too_short;
}

}  // namespace pop
