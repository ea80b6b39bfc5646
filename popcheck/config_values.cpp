#include "popcheck/config_values.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "conf/show_config.h"
#include "popcheck/config_report.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

bool has_value(const Option& option) {
  return !std::holds_alternative<std::monostate>(option.target);
}

std::string shown_value(const Option& option, const Value& value) {
  if (is_secret(option) && value != Value{std::string{}}) return "(not shown)";
  return shown_text(toml_text(value), Layout::one_line);
}

std::string shown_origin(const Place& origin) {
  return origin.source.empty() ? "default" : shown_text(to_string(origin), Layout::one_line);
}

/// Files whose settings come after the start-up files' and so override them.
std::vector<std::string_view> later_files(const Option& option) {
  switch (option.may_be_set) {
    case MayBeSet::start_up:
      return {};
    case MayBeSet::in_spool_file:
      return {"spool-options file"};
    case MayBeSet::anywhere:
      return {"user-options file", "spool-options file"};
  }
  return {};
}

std::string shown_overriders(const Option& option, const Settings& settings) {
  std::string text;
  for (const std::string_view file : later_files(option)) {
    const bool is_read = file.starts_with("user") ? settings.user_options : settings.spool_options;
    text += (text.empty() ? "" : ", ") + std::string{file} + (is_read ? "" : " (not read)");
  }
  return text;
}

Json overriders_json(const Option& option) {
  Json::Array files{Json{std::string{"command line"}}};
  for (const std::string_view file : later_files(option)) files.push_back({std::string{file}});
  return {std::move(files)};
}

Json option_json(const Option& option, const Configuration& configuration) {
  return {Json::Object{
      {"name", Json{std::string{option.name}}},
      {"value", Json{shown_value(option, load_value(configuration.settings, option))}},
      {"default", Json{shown_value(option, load_value(Settings{}, option))}},
      {"origin", json_of(configuration.origins[index_of(option)])},
      {"overridden_by", overriders_json(option)},
  }};
}

void print_effective_text(const Configuration& configuration, const Option& option,
                          Terminal& terminal) {
  constexpr std::size_t comment_column = 44;
  const Settings& settings = configuration.settings;
  std::string line{option.name};
  line += " = " + shown_value(option, load_value(settings, option));
  line.append(line.size() < comment_column ? comment_column - line.size() : 1, ' ');
  line += "# " + shown_origin(configuration.origins[index_of(option)]);
  const std::string overriders = shown_overriders(option, settings);
  if (!overriders.empty()) line += "; overridden by " + overriders;
  terminal.print(line + "\n");
}

// --- One option

std::string_view type_name(const Option& option) {
  switch (option.type()) {
    case ValueType::boolean:
      return "true or false";
    case ValueType::integer:
      return "an integer";
    case ValueType::seconds:
      return "an integer, seconds";
    case ValueType::string:
    case ValueType::path:
      return "a text in quotes";
    case ValueType::mnemonic:
      return "a word in quotes";
  }
  return "";
}

std::string range_text(const Option& option) {
  const bool is_number = option.type() == ValueType::integer || option.type() == ValueType::seconds;
  if (!is_number) return "";
  std::string text = ", from " + std::to_string(option.range.least);
  if (option.range.most != INT64_MAX) text += " to " + std::to_string(option.range.most);
  return text;
}

std::string switch_text(const Option& option) {
  const std::string letter{'-', option.letter_switch.letter};
  switch (option.letter_switch.kind) {
    case SwitchKind::none:
      return "";
    case SwitchKind::turns_on:
      return letter;
    case SwitchKind::turns_off:
      return letter + ", which turns it off";
    case SwitchKind::takes_value:
    case SwitchKind::takes_number:
      return letter + " " + std::string{option.value};
    case SwitchKind::extension:
      return letter + " " + std::string{option.letter_switch.key} + "=" + std::string{option.value};
  }
  return "";
}

void print_row(Terminal& terminal, std::string_view head, const std::string& text) {
  if (text.empty()) return;
  std::string line = "  " + std::string{head} + ":";
  line.append(line.size() < 14 ? 14 - line.size() : 1, ' ');
  terminal.print(line + text + "\n");
}

void print_words(Terminal& terminal, const Option& option) {
  for (const Mnemonic& word : option.words) {
    print_row(terminal, "value",
              "\"" + std::string{word.word} + "\": " + std::string{word.help} +
                  (word.ready == Ready::now ? "" : " (not in this version)"));
  }
}

Json explanation_json(const Option& option, const Configuration& configuration) {
  Json json = option_json(option, configuration);
  Json::Object& object = std::get<Json::Object>(json.value);
  object.emplace_back("help", Json{std::string{option.help}});
  object.emplace_back("detail", Json{std::string{option.detail}});
  object.emplace_back("type", Json{std::string{type_name(option)}});
  object.emplace_back("switch", Json{switch_text(option)});
  Json::Array words;
  for (const Mnemonic& word : option.words) words.push_back({std::string{word.word}});
  object.emplace_back("values", Json{std::move(words)});
  object.emplace_back("available", Json{option.ready == Ready::now});
  return json;
}

// --- Differences

/// What a change does that does not show in the configuration.
struct Effect {
  std::string_view option, text;
};
constexpr std::array effects{
    Effect{"auth-source", "users log in with other passwords"},
    Effect{"cache-dir", "all mail is read once more; old index files stay where they are"},
    Effect{"cache-name", "all mail is read once more; old index files stay where they are"},
    Effect{"credential-file", "users log in with other passwords"},
    Effect{"downcase-user", "some users get another maildrop, or none"},
    Effect{"hash-spool", "maildrops are empty until popspool rehash has moved the spools"},
    Effect{"home-dir-mail", "maildrops are empty until popspool rehash has moved the spools"},
    Effect{"lock-order", "programs that deliver must have the same order"},
    Effect{"mail-format", "maildrops look empty until popspool convert has made them"},
    Effect{"old-style-uid", "clients download the mail on the server once more"},
    Effect{"spool-dir", "maildrops are empty until the spools are moved"},
    Effect{"temp-dir", "end all sessions first: two could open the same maildrop"},
    Effect{"temp-name", "end all sessions first: two could open the same maildrop"},
    Effect{"trim-domain", "some users get another maildrop, or none"},
    Effect{"uid-format", "clients download the mail on the server once more"},
    Effect{"update-on-abort", "tell your users: deletions count at other times"},
};

std::string_view effect_of(std::string_view option) {
  const auto found = std::ranges::find(effects, option, &Effect::option);
  return found == effects.end() ? std::string_view{} : found->text;
}

struct Sides {
  const Configuration& old_one;
  const Configuration& new_one;
};

std::string side_line(char sign, const Option& option, const Configuration& side) {
  return std::string{sign, ' '} + std::string{option.name} + " = " +
         shown_value(option, load_value(side.settings, option)) + "  # " +
         shown_origin(side.origins[index_of(option)]) + "\n";
}

Json difference_json(const Option& option, const Sides& sides) {
  const std::string_view effect = effect_of(option.name);
  const auto value = [&](const Configuration& side) {
    return Json{shown_value(option, load_value(side.settings, option))};
  };
  const auto origin = [&](const Configuration& side) {
    return json_of(side.origins[index_of(option)]);
  };
  return {Json::Object{{"name", Json{std::string{option.name}}},
                       {"old", value(sides.old_one)},
                       {"new", value(sides.new_one)},
                       {"old_origin", origin(sides.old_one)},
                       {"new_origin", origin(sides.new_one)},
                       {"effect", effect.empty() ? Json{} : Json{std::string{effect}}}}};
}

std::vector<std::string> only_in(const Configuration& one, const Configuration& other) {
  std::vector<std::string> listeners;
  for (const ListenAddress& listener : one.listeners) {
    if (std::ranges::find(other.listeners, listener) != other.listeners.end()) continue;
    listeners.push_back(render_listener(listener));
  }
  return listeners;
}

Json strings_json(const std::vector<std::string>& strings) {
  Json::Array array;
  for (const std::string& one : strings) array.push_back({one});
  return {std::move(array)};
}

}  // namespace

ExitStatus print_effective(const Configuration& configuration, const ToolRun& run) {
  const bool only_changed = run.flags.verbosity == Verbosity::quiet;
  Json::Array options;
  for (const Option& option : all_options()) {
    if (!has_value(option)) continue;
    if (only_changed &&
        load_value(configuration.settings, option) == load_value(Settings{}, option)) {
      continue;
    }
    if (run.flags.form == OutputForm::json) {
      options.push_back(option_json(option, configuration));
    } else {
      print_effective_text(configuration, option, run.terminal);
    }
  }
  std::vector<std::string> listeners = only_in(configuration, {});
  if (run.flags.form == OutputForm::json) {
    run.terminal.print(to_text({Json::Object{{"options", Json{std::move(options)}},
                                             {"listeners", strings_json(listeners)}}}));
    return ExitStatus::ok;
  }
  for (const std::string& listener : listeners) run.terminal.print("[[listen]] " + listener + "\n");
  return ExitStatus::ok;
}

ExitStatus explain_option(std::string_view name, const Configuration& configuration,
                          const ToolRun& run) {
  const Option* const option = find_option(name);
  if (!option) {
    return give_up(run.terminal, {Errc::usage, "there is no option " + escaped(name, 80) +
                                                   suggestion_for_option(name)});
  }
  if (run.flags.form == OutputForm::json) {
    run.terminal.print(to_text(explanation_json(*option, configuration)));
    return ExitStatus::ok;
  }
  Terminal& terminal = run.terminal;
  terminal.print(std::string{option->name} + " = " + std::string{option->value} + "\n  " +
                 std::string{option->help} + ".\n");
  if (!option->detail.empty()) terminal.print("  " + std::string{option->detail} + "\n");
  print_row(terminal, "wants", std::string{type_name(*option)} + range_text(*option));
  print_words(terminal, *option);
  if (has_value(*option)) {
    print_row(terminal, "default", shown_value(*option, load_value(Settings{}, *option)));
    print_row(terminal, "now",
              shown_value(*option, load_value(configuration.settings, *option)) + " (" +
                  shown_origin(configuration.origins[index_of(*option)]) + ")");
  }
  print_row(terminal, "switch", switch_text(*option));
  print_row(terminal, "also called", std::string{option->aliases});
  const std::string overriders = shown_overriders(*option, configuration.settings);
  print_row(terminal, "may be set",
            "start-up file, command line" + (overriders.empty() ? "" : ", " + overriders));
  if (option->ready == Ready::later) {
    print_row(terminal, "note", "this version knows it, and takes no other value than the default");
  }
  return ExitStatus::ok;
}

ExitStatus print_difference(const Configuration& old_one, const Configuration& new_one,
                            const ToolRun& run) {
  const std::vector<std::string_view> names = differing_options(old_one.settings, new_one.settings);
  const std::vector<std::string> gone = only_in(old_one, new_one), come = only_in(new_one, old_one);
  const ExitStatus status =
      names.empty() && gone.empty() && come.empty() ? ExitStatus::ok : ExitStatus::found;
  if (run.flags.form == OutputForm::json) {
    Json::Array options;
    for (const std::string_view name : names) {
      options.push_back(difference_json(option_named(name), {old_one, new_one}));
    }
    run.terminal.print(
        to_text({Json::Object{{"options", Json{std::move(options)}},
                              {"listeners", Json{Json::Object{{"removed", strings_json(gone)},
                                                              {"added", strings_json(come)}}}}}}));
    return status;
  }
  for (const std::string_view name : names) {
    const Option& option = option_named(name);
    run.terminal.print(side_line('-', option, old_one) + side_line('+', option, new_one));
    const std::string_view effect = effect_of(name);
    if (!effect.empty()) run.terminal.print("  effect: " + std::string{effect} + "\n");
  }
  for (const std::string& one : gone) run.terminal.print("- [[listen]] " + one + "\n");
  for (const std::string& one : come) run.terminal.print("+ [[listen]] " + one + "\n");
  return status;
}

}  // namespace pop
