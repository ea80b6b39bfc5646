#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conf/settings.h"

namespace pop {

/// Whether this version does the work behind an option or a value. Setting what comes `later` to
/// anything but its default is an error, never silence.
enum class Ready : std::uint8_t { now, later };

/// One word that a mnemonic option takes, or one that lists words. `value` is the enumerator's
/// number, and the number that -l and -p use. Words of the same value are synonyms; the first is
/// the one that is printed.
struct Mnemonic {
  std::string_view word;
  std::uint8_t value;
  std::string_view help;  // one phrase for the manual
  Ready ready = Ready::now;
};

/// The field an option sets; the type selects parser and printer. Nothing: the option acts while
/// the file is read (config-file).
using Target =
    std::variant<std::monostate, bool Settings::*, std::int64_t Settings::*,
                 std::chrono::seconds Settings::*, std::string Settings::*,
                 std::filesystem::path Settings::*, ClearText Settings::*, TlsSupport Settings::*,
                 TlsVersion Settings::*, ChunkyWrites Settings::*, LogFacility Settings::*,
                 AuthSource Settings::*, UidFormat Settings::*, LockOrder Settings::*,
                 MailFormat Settings::*, LogFormat Settings::*, ClientCertificates Settings::*,
                 ClientUser Settings::*>;

enum class ValueType : std::uint8_t { boolean, integer, seconds, string, path, mnemonic };

/// Integers and seconds outside are refused.
struct Range {
  std::int64_t least = 0;
  std::int64_t most = INT64_MAX;
};

/// What a string or path must look like; none may hold control characters.
enum class Form : std::uint8_t {
  any,
  not_empty,
  absolute,          // begins with a slash
  absolute_or_none,  // or empty
  file_name,         // names something below a directory: no slash in front, no ".."
  user_pattern,      // a file name with exactly one %s, for the user's name, and no slash
  word,              // not empty, no blank
  word_or_none,      // no blank
  networks,          // blank-separated ADDRESS[/BITS]
  pattern,           // a POSIX extended regular expression with a parenthesis, or empty
  rules,             // blank-separated allow:REGEX and deny:REGEX
  host,              // HOST[:PORT], or empty
  host_and_port,     // HOST:PORT, or empty
  statement,         // SQL with placeholders, or empty
  takeover,          // a TakeoverRule
  listed_words,  // some of the option's words, in any case, with blanks or commas between; or none
};

/// Who may set an option. A per-user file is the user's .qpopper-options in his home directory or
/// .USER.qpopper-options, the administrator's, in the spool directory.
enum class MayBeSet : std::uint8_t {
  start_up,       // files named at the start and the command line
  in_spool_file,  // also in the spool directory's per-user file
  anywhere,       // also in the user's own file
};

/// How the old one-letter switch sets the option.
enum class SwitchKind : std::uint8_t {
  none,
  turns_on,      // -S
  turns_off,     // -R
  takes_value,   // -T 600
  takes_number,  // -p 2: the mnemonic's number
  extension,     // -e login_delay=10,expire=0: the option is one of the keys
};
struct Switch {
  SwitchKind kind = SwitchKind::none;
  char letter = 0;
  std::string_view key = {};  // of an extension
};

/// Sections of the manual, in its order.
enum class Section : std::uint8_t {
  place,
  service,
  protocol,
  connections,
  login,
  bulletins,
  logging,
  others,
  tls,
  program
};
[[nodiscard]] std::string_view title_of(Section section);

/// Everything that is known of one option; command line, both grammars, help, manual, samples and
/// completion come from it.
struct Option {
  std::string_view name;     // "--name", "set name", the TOML key
  std::string_view aliases;  // other accepted names, mostly misprints of the old documents
  Section section;
  Target target;
  std::string_view value;  // placeholder in help and manual
  MayBeSet may_be_set;
  Ready ready;
  std::string_view help;         // one imperative sentence, no final period
  std::string_view detail = {};  // more sentences for the manual, each with its period
  Switch letter_switch = {};
  Range range = {};
  Form form = Form::any;
  std::span<const Mnemonic> words = {};

  [[nodiscard]] constexpr ValueType type() const;
};

constexpr ValueType Option::type() const {
  constexpr ValueType plain[] = {ValueType::string,  // config-file
                                 ValueType::boolean, ValueType::integer, ValueType::seconds,
                                 ValueType::string,  ValueType::path};
  return target.index() < std::size(plain) ? plain[target.index()] : ValueType::mnemonic;
}

/// All options, ascending by name.
[[nodiscard]] std::span<const Option> all_options();

/// The option of that name or one of its aliases, whatever the case; nullptr if there is none.
[[nodiscard]] const Option* find_option(std::string_view name);
/// The option that must exist: for names written in our own code.
[[nodiscard]] const Option& option_named(std::string_view name);
/// What else an option may be called.
[[nodiscard]] std::vector<std::string_view> aliases_of(const Option& option);
/// Position in all_options().
[[nodiscard]] std::size_t index_of(const Option& option);
/// "; did you mean NAME", or nothing when no option's name is near.
[[nodiscard]] std::string suggestion_for_option(std::string_view name);

}  // namespace pop
