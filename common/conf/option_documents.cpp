#include "conf/option_documents.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "conf/option_value.h"

namespace pop {
namespace {

constexpr int sections = static_cast<int>(Section::program) + 1;

/// Calls `write` for each option of a section, sections in the manual's order.
template <class Title, class Write>
void for_each_section(const Title& title, const Write& write) {
  for (int n = 0; n < sections; ++n) {
    const auto section = static_cast<Section>(n);
    title(section);
    for (const Option& option : all_options()) {
      if (option.section == section) write(option);
    }
  }
}

bool is_stored(const Option& option) {
  return !std::holds_alternative<std::monostate>(option.target);
}

Value default_of(const Option& option) {
  return load_value(Settings{}, option);
}

std::string_view who_may_set(const Option& option) {
  switch (option.may_be_set) {
    case MayBeSet::start_up:
      return "Not in a per-user file.";
    case MayBeSet::in_spool_file:
      return "Not in a user's own file, but in the spool directory's.";
    case MayBeSet::anywhere:
      return "Also in per-user files.";
  }
  return "";
}

/// Lines of at most 79 columns, each beginning with `begin`; `gap` stands before each word but,
/// when there is no `begin`, the first of a line.
std::string filled(std::string_view text, const std::string& begin, const std::string& gap) {
  constexpr std::size_t width = 79;
  std::string result, line = begin;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (line.size() + gap.size() + end > width) {
      result += line + "\n";
      line = begin;
    }
    if (!line.empty()) line += gap;
    line += text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result + line + "\n";
}

// The manual ------------------------------------------------------------------------------------

/// Text for mdoc: a backslash and a minus at the beginning of a number are not what they seem.
std::string roff(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool minus = text[i] == '-' && (i == 0 || text[i - 1] == ' ');
    if (text[i] == '\\') {
      result += "\\e";
    } else if (minus) {
      result += "\\-";
    } else {
      result += text[i];
    }
  }
  return result;
}

/// One sentence a line, as mdoc wants it.
std::string roff_sentences(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t end = text.find(". ");
    const std::size_t length = end == std::string_view::npos ? text.size() : end + 1;
    result += filled(roff(text.substr(0, length)), "", " ");
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return result;
}

std::string roff_switch(const Option& option) {
  const Switch& letter = option.letter_switch;
  const std::string flag = std::string{".Fl "} + letter.letter;
  const std::string value{option.value};
  switch (letter.kind) {
    case SwitchKind::none:
      return "";
    case SwitchKind::turns_on:
      return "Switch:\n" + flag + " .\n";
    case SwitchKind::turns_off:
      return "Switch:\n" + flag + " ,\nwhich turns it off.\n";
    case SwitchKind::takes_value:
      return "Switch:\n" + flag + " Ar " + value + " .\n";
    case SwitchKind::takes_number:
      return "Switch:\n" + flag + " Ar NUMBER ,\nthe number in parentheses.\n";
    case SwitchKind::extension:
      return "Switch:\n" + flag + " Cm " + std::string{letter.key} + " Ns = Ns Ar " + value +
             " .\n";
  }
  return "";
}

std::string roff_words(const Option& option) {
  if (option.words.empty()) return "";
  const bool numbered = option.letter_switch.kind == SwitchKind::takes_number;
  std::string text = ".Bl -tag -width alternate-port -compact\n";
  for (const Mnemonic& word : option.words) {
    text += ".It Cm " + std::string{word.word} + "\n" + roff(word.help);
    if (numbered) text += " (" + std::to_string(word.value) + ")";
    if (word.ready == Ready::later) text += "; not in this version";
    text += "\n";
  }
  return text + ".El\n";
}

std::string roff_default(const Option& option) {
  if (!is_stored(option)) return "";
  const Value value = default_of(option);
  if (value == Value{std::string{}}) return "Default: empty.\n";
  return "Default:\n.Ql " + roff(classic_text(value)) + " .\n";
}

std::string roff_range(const Option& option) {
  if (option.type() != ValueType::integer && option.type() != ValueType::seconds) return "";
  const std::string least = roff(std::to_string(option.range.least));
  if (option.range.most == INT64_MAX) return "At least " + least + ".\n";
  return "From " + least + " to " + std::to_string(option.range.most) + ".\n";
}

std::string roff_option(const Option& option) {
  std::string text =
      ".It Cm " + std::string{option.name} + " No = Ar " + std::string{option.value} + "\n";
  text += roff_sentences(std::string{option.help} + ".") + roff_sentences(option.detail);
  text += roff_words(option) + roff_default(option) + roff_range(option) + roff_switch(option);
  text += std::string{who_may_set(option)} + "\n";
  for (const std::string_view alias : aliases_of(option)) {
    text += "Also accepted as\n.Cm " + std::string{alias} + " .\n";
  }
  if (option.ready == Ready::later) text += "This version takes the default only.\n";
  return text;
}

// The samples -----------------------------------------------------------------------------------

std::string commented(std::string_view text) {
  return filled(text, "#", " ");
}

std::string sample_comment(const Option& option) {
  std::string text{option.help};
  text += ".";
  if (!option.detail.empty()) text += " " + std::string{option.detail};
  std::string words;
  for (const Mnemonic& word : option.words) {
    if (word.ready == Ready::later && option.ready == Ready::now) continue;
    words += (words.empty() ? "" : "; ") + std::string{word.word} + ": " + std::string{word.help};
  }
  if (!words.empty()) text += " Values are " + words + ".";
  if (option.ready == Ready::later) text += " This version takes the default only.";
  return commented(text);
}

std::string section_head(Section section) {
  const std::string title{title_of(section)};
  return "\n\n# " + title + "\n# " + std::string(title.size(), '-') + "\n";
}

template <class Line>
std::string sample(std::string text, const Line& line) {
  for_each_section([&](Section section) { text += section_head(section); },
                   [&](const Option& option) {
                     text += "\n" + sample_comment(option) + "#" + line(option) + "\n";
                   });
  return text;
}

Value sample_value(const Option& option) {
  return is_stored(option) ? default_of(option) : Value{std::string{"/etc/popper/more.conf"}};
}

// The completion --------------------------------------------------------------------------------

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// A case of the completion: the names, and what completes their value.
std::string completion_case(const std::string& names, const std::string& how) {
  return "    " + names + ")\n      COMPREPLY=($(compgen " + how +
         " -- \"$cur\"))\n      return\n"
         "      ;;\n";
}

std::vector<std::string> words_now(const Option& option) {
  std::vector<std::string> words;
  for (const Mnemonic& word : option.words) {
    if (word.ready == Ready::now) words.emplace_back(word.word);
  }
  return words;
}

/// The words after which the option's value comes; "=" stays at a name that had one.
std::string value_follows(const Option& option) {
  const std::string name = "--" + std::string{option.name};
  if (option.type() == ValueType::boolean) return name + "=";
  std::string names = name + " | " + name + "=";
  const Switch& letter = option.letter_switch;
  if (letter.kind == SwitchKind::takes_value) names += std::string{" | -"} + letter.letter;
  if (option.name == "config-file") names += " | --config | --config=";
  return names;
}

std::string completion_of(const Option& option) {
  const std::string names = value_follows(option);
  switch (option.type()) {
    case ValueType::boolean:
      return completion_case(names, "-W \"true false\"");
    case ValueType::mnemonic:
      return completion_case(names, "-W \"" + joined(words_now(option)) + "\"");
    case ValueType::path:
      return completion_case(names, option.value == "DIRECTORY" ? "-d" : "-f");
    case ValueType::string:
      return is_stored(option) ? completion_case(names, "-W \"\"") : completion_case(names, "-f");
    default:
      return completion_case(names, "-W \"\"");
  }
}

}  // namespace

std::string manual_options_section() {
  std::string text;
  const auto end_list = [&] { text += text.empty() ? "" : ".El\n"; };
  for_each_section(
      [&](Section section) {
        end_list();
        text += ".Ss " + std::string{title_of(section)} + "\n.Bl -tag -width Ds\n";
      },
      [&](const Option& option) { text += roff_option(option); });
  end_list();
  return text;
}

std::string sample_toml() {
  const std::string head =
      "# Options of the Popper suite, each with its default; see popper.conf(5).\n"
      "# Take the \"#\" away in front of an option to set it.\n";
  std::string text = sample(head, [](const Option& option) {
    return std::string{option.name} + " = " + toml_text(sample_value(option));
  });
  text +=
      "\n\n# Where to listen\n# ---------------\n\n"
      "# Accept connections here; one table for each address. An address is\n"
      "# [ADDRESS][:PORT] with IPv6 in brackets. A line tls = \"none\", \"stls\" or \"implicit\" "
      "says\n"
      "# how TLS is spoken there; without one tls-support does. These tables come last in\n"
      "# the file.\n"
      "#[[listen]]\n#address = \":110\"\n"
      "\n# Devices that speak nothing newer than TLS 1.0 get a port of their own, for these\n"
      "# networks and users only, until this day.\n"
      "#[[listen]]\n#address = \":1995\"\n#tls = \"implicit\"\n"
      "#old-devices-until = 2027-12-31\n#old-devices-networks = \"192.0.2.0/24\"\n"
      "#old-devices-users = \"scanner fax\"\n";
  return text;
}

std::string sample_classic() {
  const std::string head =
      "# Options of the Popper suite in the grammar of Qpopper, each with its default;\n"
      "# see popper.conf(5). Take the \"#\" away in front of \"set\" to set an option.\n";
  return sample(head,
                [](const Option& option) { return to_classic(option, sample_value(option)); });
}

std::string bash_completion() {
  std::string cases;
  std::vector<std::string> names{"--help",       "--version", "--show-config",
                                 "--foreground", "--preauth", "--config"};
  for (const Option& option : all_options()) {
    if (option.ready == Ready::later) continue;
    names.push_back("--" + std::string{option.name});
    const bool stands_alone = option.type() == ValueType::boolean;
    names.back() += stands_alone ? "" : "=";
    cases += completion_of(option);
  }
  std::string text =
      "# bash completion for popper(8), made from the option table.\n"
      "\n"
      "_popper() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  # bash breaks --option=value at the \"=\".\n"
      "  if [[ $cur == \"=\" ]]; then\n"
      "    cur= prev+==\n"
      "  elif [[ $prev == \"=\" && $COMP_CWORD -gt 1 ]]; then\n"
      "    prev=${COMP_WORDS[COMP_CWORD-2]}=\n"
      "  fi\n"
      "  case $prev in\n" +
      cases +
      "  esac\n"
      "  [[ $cur == -* ]] || return\n"
      "  COMPREPLY=($(compgen -W \"" +
      joined(names) +
      "\" -- \"$cur\"))\n"
      "  [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null\n"
      "}\n"
      "complete -F _popper popper\n";
  return text;
}

}  // namespace pop
