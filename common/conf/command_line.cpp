#include "conf/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <map>
#include <ranges>
#include <utility>

#include "base/text.h"
#include "conf/popserv_grammar.h"

namespace pop {
namespace {

using Arguments = std::vector<std::string>;

const Place on_command_line{"command line"};

// How -C with a file's name is told apart from -C alone once CLI11 reads it.
constexpr const char* popserv_switch = "--popserv-file";
// popserv's -b [address][:port], which is -b for bulletins without such a file.
constexpr const char* popserv_bind_switch = "--popserv-bind";

std::string shown(std::string_view foreign) {
  return "\"" + escaped(foreign, 80) + "\"";
}

/// One switch as CLI11 knows it: what it is called in complaints, and what it acts on.
struct KnownSwitch {
  std::string name;
  const Option* option = nullptr;  // nullptr for -e, which has several, and for -C FILE
  SwitchKind kind = SwitchKind::takes_value;
};

/// One occurrence of a switch; `value` is "true" for a flag that stands alone.
struct GivenSwitch {
  const KnownSwitch* known;
  std::string value;
};

/// Tells CLI11 the table and takes from it which switches were given, in their order.
class SwitchParser {
 public:
  SwitchParser() {
    app_.set_help_flag();
    app_.allow_extras();
    help_ = app_.add_flag("-h,--help");
    version_ = app_.add_flag("-v,-V,--version");
    show_config_ = app_.add_flag("--show-config");
    foreground_ = app_.add_flag("--foreground");
    wait_mode_ = app_.add_flag("-i");
    preauth_ = app_.add_flag("--preauth");
    add("-e", {"-e", nullptr, SwitchKind::extension});
    add(popserv_switch, {"-C", nullptr, SwitchKind::takes_value});
    popserv_bind_ = app_.add_option(popserv_bind_switch);
    for (const Option& option : all_options()) add_option(option);
  }

  void parse(Arguments arguments) {
    for (std::size_t i = 0; i + 1 < arguments.size(); ++i) {
      if (arguments[i] == "-C" && !arguments[i + 1].starts_with('-')) arguments[i] = popserv_switch;
    }
    const bool is_popserv = std::ranges::find(arguments, popserv_switch) != arguments.end();
    for (std::size_t i = 0; is_popserv && i < arguments.size(); ++i) {
      if (!arguments[i].starts_with("-b")) continue;
      const std::string joined = arguments[i].substr(2);
      arguments[i] = popserv_bind_switch;
      if (joined.empty()) continue;
      arguments.insert(arguments.begin() + static_cast<std::ptrdiff_t>(++i), joined);
    }
    // "--name=" means an empty value; CLI11 would take the next argument for it.
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      if (!arguments[i].starts_with("--") || !arguments[i].ends_with('=')) continue;
      arguments[i].pop_back();
      arguments.insert(arguments.begin() + static_cast<std::ptrdiff_t>(++i), "");
    }
    std::ranges::reverse(arguments);
    app_.parse(std::move(arguments));
  }

  [[nodiscard]] bool asks_help() const { return help_->count() > 0; }
  [[nodiscard]] bool asks_version() const { return version_->count() > 0; }
  [[nodiscard]] bool asks_show_config() const { return show_config_->count() > 0; }
  [[nodiscard]] bool asks_foreground() const { return foreground_->count() > 0; }
  [[nodiscard]] bool asks_wait_mode() const { return wait_mode_->count() > 0; }
  /// --preauth alone gives an empty user.
  [[nodiscard]] std::optional<std::string> preauthenticated() const {
    if (preauth_->count() == 0) return std::nullopt;
    const std::string user = preauth_->results().back();
    return user == "true" ? "" : user;
  }

  /// What popserv's -b says, the last one.
  [[nodiscard]] std::optional<std::string> popserv_address() const {
    if (popserv_bind_->count() == 0) return std::nullopt;
    return popserv_bind_->results().back();
  }

  [[nodiscard]] std::vector<GivenSwitch> given() const {
    std::vector<GivenSwitch> all;
    std::map<const CLI::Option*, std::size_t> taken;
    for (const CLI::Option* option : app_.parse_order()) {
      const auto known = known_.find(option);
      if (known == known_.end()) continue;
      all.push_back({&known->second, option->results().at(taken[option]++)});
    }
    return all;
  }

  /// What no switch claims.
  [[nodiscard]] Complaints strangers() const {
    Complaints complaints;
    for (const std::string& word : app_.remaining()) {
      complaints.push_back({on_command_line,
                            word.starts_with('-') && word.size() > 1 ? unknown_switch(word)
                                                                     : unexpected_argument(word),
                            ComplaintKind::unknown_name});
    }
    return complaints;
  }

 private:
  void add(const std::string& names, KnownSwitch known) {
    const bool is_flag = known.kind == SwitchKind::turns_on || known.kind == SwitchKind::turns_off;
    CLI::Option* option = is_flag ? app_.add_flag(names) : app_.add_option(names);
    // Repeated switches are all taken, the last one wins.
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    known_.emplace(option, std::move(known));
  }

  void add_option(const Option& option) {
    const std::string name = "--" + std::string{option.name};
    const bool boolean = option.type() == ValueType::boolean;
    // As in every program of the suite.
    const std::string names = option.name == "config-file" ? "--config," + name : name;
    add(names, {name, &option, boolean ? SwitchKind::turns_on : SwitchKind::takes_value});
    const Switch& letter = option.letter_switch;
    if (letter.kind == SwitchKind::none || letter.kind == SwitchKind::extension) return;
    const std::string short_name = std::string{'-', letter.letter};
    add(short_name, {short_name, &option, letter.kind});
  }

  static std::string unexpected_argument(const std::string& word) {
    std::string what = "unexpected argument " + shown(word);
    if (!parse_listen_address(word)) return what;
    return what + "; an address to listen on must come first, before all switches";
  }

  static std::string unknown_switch(const std::string& word) {
    const std::string name = word.substr(0, word.find('='));
    std::string what = "unknown switch " + shown(name);
    if (!name.starts_with("--") || name.size() > 64) return what;
    std::vector<std::string_view> names{"help",       "version", "show-config",
                                        "foreground", "preauth", "config"};
    for (const Option& option : all_options()) names.push_back(option.name);
    const auto near = nearest(lower(name.substr(2)), names);
    return near ? what + "; did you mean --" + std::string{*near} : what;
  }

  CLI::App app_;
  CLI::Option* help_;
  CLI::Option* version_;
  CLI::Option* show_config_;
  CLI::Option* foreground_;
  CLI::Option* wait_mode_;
  CLI::Option* preauth_;
  CLI::Option* popserv_bind_;
  std::map<const CLI::Option*, KnownSwitch> known_;
};

/// Applies switches one after the other and keeps what is wrong.
class SwitchApplier {
 public:
  SwitchApplier(Configuration& configuration, const FileReader& read)
      : configuration_{configuration}, read_{read} {}

  void apply(const GivenSwitch& given) {
    switch (given.known->kind) {
      case SwitchKind::none:
        return;
      case SwitchKind::turns_on:
        return set(given, *given.known->option, given.value);
      case SwitchKind::turns_off:
        return set(given, *given.known->option, "false");
      case SwitchKind::takes_value:
        if (names_popserv_file(given)) return apply_popserv(given);
        return set(given, *given.known->option, given.value);
      case SwitchKind::takes_number:
        return set_by_number(given);
      case SwitchKind::extension:
        return set_extensions(given);
    }
  }

  /// The file that is read when none is named; it need not exist.
  void apply_default_file() {
    const std::string path{default_config_file};
    Result<std::string> text = read_(path);
    if (!text && text.error().code == Errc::not_found) return;
    const FileReader read = [&](const std::string& name) {
      return name == path ? text : read_(name);
    };
    keep(apply_file(configuration_, {path, {"default file"}}, FileScope::start_up, read));
  }

  [[nodiscard]] static bool names_popserv_file(const GivenSwitch& given) {
    return !given.known->option && given.known->kind == SwitchKind::takes_value;
  }

  Complaints usage, files;

 private:
  void complain(const GivenSwitch& given, std::string_view what) {
    usage.push_back(
        {on_command_line, given.known->name + ": " + std::string{what}, ComplaintKind::value});
  }

  void keep(Checked<void> applied) {
    if (applied) return;
    std::ranges::move(applied.error(), std::back_inserter(files));
  }

  void apply_popserv(const GivenSwitch& given) {
    const Place here{on_command_line.source + ": " + given.known->name};
    keep(apply_popserv_file(configuration_, {given.value, here}, read_));
  }

  void set(const GivenSwitch& given, const Option& option, std::string_view text) {
    const Judged<Value> value = read_value(option, text);
    if (!value) return complain(given, value.error());
    configuration_.origins[index_of(option)] = on_command_line;
    if (std::holds_alternative<std::monostate>(option.target)) {
      const Place here{on_command_line.source + ": " + given.known->name};
      return keep(apply_file(configuration_, {std::get<std::string>(*value), here},
                             FileScope::start_up, read_));
    }
    store_value(configuration_.settings, option, *value);
  }

  void set_by_number(const GivenSwitch& given) {
    const Option& option = *given.known->option;
    const auto number = decimal(given.value);
    const auto word = std::ranges::find_if(
        option.words, [&](const Mnemonic& known) { return number && known.value == *number; });
    if (word != option.words.end()) return set(given, option, word->word);
    const int most = std::ranges::max(option.words, {}, &Mnemonic::value).value;
    complain(given,
             "wants a number from 0 to " + std::to_string(most) + ", not " + shown(given.value));
  }

  void set_extensions(const GivenSwitch& given) {
    std::string_view rest = given.value;
    for (bool more = true; more;) {
      const std::size_t comma = rest.find(',');
      set_extension(given, trimmed(rest.substr(0, comma)));
      more = comma != std::string_view::npos;
      if (more) rest.remove_prefix(comma + 1);
    }
  }

  void set_extension(const GivenSwitch& given, std::string_view pair) {
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view key = trimmed(pair.substr(0, equals));
    for (const Option& option : all_options()) {
      if (option.letter_switch.kind != SwitchKind::extension) continue;
      if (!equal_ignoring_case(option.letter_switch.key, key)) continue;
      if (equals == pair.size()) return complain(given, std::string{key} + " wants =VALUE");
      return set(given, option, trimmed(pair.substr(equals + 1)));
    }
    complain(given, "wants login_delay=SECONDS or expire=DAYS, not " + shown(pair));
  }

  Configuration& configuration_;
  const FileReader& read_;
};

PopperRefusal refuse_usage(Complaints complaints) {
  return {PopperRefusal::Kind::usage, std::move(complaints), {}};
}

bool names_a_file(const GivenSwitch& given) {
  if (SwitchApplier::names_popserv_file(given)) return true;
  const Option* option = given.known->option;
  return option && std::holds_alternative<std::monostate>(option->target);
}

/// Takes the program's own name off the front: the FAQ of Qpopper has xinetd say it there, where
/// the old program did not look.
void take_own_name(Arguments& arguments) {
  constexpr std::array<std::string_view, 4> names{"popper", "qpopper", "in.popper", "in.qpopper"};
  if (arguments.empty() || std::ranges::find(names, arguments.front()) == names.end()) return;
  arguments.erase(arguments.begin());
}

/// Takes "[address][:port]" off the front, if it is there.
Judged<std::optional<ListenAddress>> take_address(Arguments& arguments) {
  if (arguments.empty() || arguments.front().starts_with('-')) return std::nullopt;
  Judged<ListenAddress> address = parse_listen_address(arguments.front());
  if (!address) return std::unexpected(std::move(address).error());
  arguments.erase(arguments.begin());
  return *std::move(address);
}

/// `said` by CLI11 begins with the name of the switch and a colon.
std::string missing_value(std::string_view said) {
  const std::string_view name = said.substr(0, said.find(':'));
  return (name == popserv_bind_switch ? "-b" : escaped(name, 80)) + ": wants a value";
}

PopperTask task_of(const SwitchParser& switches) {
  if (switches.asks_help()) return PopperTask::show_help;
  if (switches.asks_version()) return PopperTask::show_version;
  return switches.asks_show_config() ? PopperTask::show_config : PopperTask::serve;
}

std::expected<PopperCommandLine, PopperRefusal> apply_switches(PopperCommandLine line,
                                                               const SwitchParser& switches,
                                                               const FileReader& read) {
  const std::vector<GivenSwitch> given = switches.given();
  SwitchApplier applier{line.configuration, read};
  applier.usage = switches.strangers();
  if (std::ranges::none_of(given, names_a_file)) applier.apply_default_file();
  for (const GivenSwitch& one : given) applier.apply(one);
  if (line.address) {
    line.configuration.listeners = {*line.address};
    line.configuration.listener_places.clear();
  }
  if (applier.usage.empty() && applier.files.empty()) return line;
  const auto kind =
      applier.usage.empty() ? PopperRefusal::Kind::configuration : PopperRefusal::Kind::usage;
  std::ranges::move(applier.files, std::back_inserter(applier.usage));
  return std::unexpected(PopperRefusal{kind, std::move(applier.usage), std::move(line)});
}

}  // namespace

std::expected<PopperCommandLine, PopperRefusal> parse_popper_command_line(
    const std::vector<std::string>& arguments, const FileReader& read) {
  Arguments words = arguments;
  take_own_name(words);
  Judged<std::optional<ListenAddress>> address = take_address(words);
  if (!address) {
    return std::unexpected(refuse_usage({{on_command_line, std::move(address).error()}}));
  }
  SwitchParser switches;
  try {
    switches.parse(std::move(words));
  } catch (const CLI::ArgumentMismatch& error) {  // CLI11 has no other way to say it
    return std::unexpected(refuse_usage({{on_command_line, missing_value(error.what())}}));
  } catch (const CLI::ParseError& error) {
    return std::unexpected(refuse_usage({{on_command_line, escaped(error.what())}}));
  }
  if (const std::optional<std::string> text = switches.popserv_address(); text && !*address) {
    Judged<ListenAddress> bound = parse_listen_address(*text);
    if (!bound) {
      return std::unexpected(refuse_usage({{on_command_line, "-b: " + std::move(bound).error()}}));
    }
    *address = *std::move(bound);
  } else if (text) {
    return std::unexpected(
        refuse_usage({{on_command_line, "-b: the first argument is an address, too"}}));
  }
  PopperCommandLine line;
  line.task = task_of(switches);
  line.address = *std::move(address);
  line.background = switches.asks_foreground() ? Background::stay : Background::detach;
  if (switches.asks_wait_mode()) line.inetd = InetdMode::wait;
  line.preauthenticated = switches.preauthenticated();
  if (line.task == PopperTask::show_help || line.task == PopperTask::show_version) return line;
  return apply_switches(std::move(line), switches, read);
}

std::string popper_version() {
  return "Popper " POPPER_VERSION "\n";
}

}  // namespace pop
