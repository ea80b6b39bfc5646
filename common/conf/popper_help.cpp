#include <algorithm>
#include <vector>

#include "conf/command_line.h"

namespace pop {
namespace {

constexpr std::size_t page_width = 79;

/// Adds words to `text`, each line beginning with `indent` blanks after the first.
std::string wrapped(std::string text, const std::vector<std::string>& words, std::size_t indent) {
  std::size_t column = text.size();
  for (const std::string& word : words) {
    if (column + 1 + word.size() > page_width) {
      text += "\n" + std::string(indent, ' ') + word;
      column = indent + word.size();
      continue;
    }
    const bool at_indent = column == indent;
    text += (at_indent ? "" : " ") + word;
    column += word.size() + (at_indent ? 0 : 1);
  }
  return text + "\n";
}

std::vector<std::string> words_of(std::string_view sentence) {
  std::vector<std::string> words;
  while (!sentence.empty()) {
    const std::size_t end = std::min(sentence.find(' '), sentence.size());
    words.emplace_back(sentence.substr(0, end));
    sentence.remove_prefix(std::min(end + 1, sentence.size()));
  }
  return words;
}

/// The switch's argument in usage lines: "SECONDS", "0|1|2", "".
std::string argument_of(const Option& option) {
  if (option.letter_switch.kind == SwitchKind::takes_value) return std::string{option.value};
  if (option.letter_switch.kind != SwitchKind::takes_number) return "";
  std::string numbers;
  const int most = std::ranges::max(option.words, {}, &Mnemonic::value).value;
  for (int n = 0; n <= most; ++n) numbers += (n == 0 ? "" : "|") + std::to_string(n);
  return numbers;
}

/// Switches by letter, the capital after the small one.
std::vector<const Option*> by_letter() {
  std::vector<const Option*> found;
  for (const Option& option : all_options()) {
    const SwitchKind kind = option.letter_switch.kind;
    if (kind != SwitchKind::none && kind != SwitchKind::extension) found.push_back(&option);
  }
  const auto key = [](const Option* option) {
    const char letter = option->letter_switch.letter;
    const bool capital = letter >= 'A' && letter <= 'Z';
    return std::pair{capital ? letter + ('a' - 'A') : letter, capital};
  };
  std::ranges::sort(found, {}, key);
  return found;
}

/// The line of one option in --help. `switches` begins at column 2.
std::string entry(const std::string& switches, std::string_view help) {
  constexpr std::size_t help_column = 36;
  std::string line = "  " + switches;
  if (line.size() + 1 > help_column) {
    line += "\n";
    return line + wrapped(std::string(help_column, ' '), words_of(help), help_column);
  }
  line.append(help_column - line.size(), ' ');
  return wrapped(line, words_of(help), help_column);
}

std::string switches_of(const Option& option) {
  const Switch& letter = option.letter_switch;
  const bool has_letter =
      letter.kind == SwitchKind::turns_on || letter.kind == SwitchKind::takes_value;
  std::string text = has_letter ? std::string{'-', letter.letter} + ", " : "    ";
  text += "--" + std::string{option.name};
  const bool alone = option.type() == ValueType::boolean;
  return text + (alone ? "[=" : "=") + std::string{option.value} + (alone ? "]" : "");
}

std::string words_sentence(const Option& option) {
  std::string text;
  for (const Mnemonic& word : option.words) {
    if (word.ready == Ready::later && option.ready == Ready::now) continue;
    text += (text.empty() ? ": " : ", ") + std::string{word.word};
  }
  return text;
}

std::string note_on_letter(const Option& option) {
  const Switch& letter = option.letter_switch;
  const std::string name = std::string{'-', letter.letter};
  switch (letter.kind) {
    case SwitchKind::turns_off:
      return " (" + name + ": off)";
    case SwitchKind::takes_number:
      return " (" + name + " " + argument_of(option) + ")";
    case SwitchKind::extension:
      return " (" + name + " " + std::string{letter.key} + "=" + std::string{option.value} + ")";
    default:
      return "";
  }
}

std::string help_of_section(Section section) {
  std::string text;
  for (const Option& option : all_options()) {
    if (option.section != section) continue;
    std::string help{option.help};
    help += words_sentence(option) + note_on_letter(option);
    if (option.ready == Ready::later) help += " [not in this version]";
    text += entry(switches_of(option), help);
  }
  return "\n" + std::string{title_of(section)} + ":\n" + text;
}

}  // namespace

std::string popper_usage() {
  std::string flags;
  for (const Option* option : by_letter()) {
    if (argument_of(*option).empty()) flags += option->letter_switch.letter;
  }
  std::vector<std::string> words{"[[ADDRESS][:PORT]]", "[-" + flags + "]"};
  for (const Option* option : by_letter()) {
    const std::string argument = argument_of(*option);
    if (argument.empty()) continue;
    words.push_back(std::string{"[-"} + option->letter_switch.letter + " " + argument + "]");
  }
  for (const char* word : {"[-i]", "[-C FILE]", "[-e login_delay=SECONDS,expire=DAYS]", "[--OPTION[=VALUE]]...",
                           "[--foreground]", "[--preauth[=USER]]", "[--show-config]", "[-h]", "[-v]"}) {
    words.emplace_back(word);
  }
  return wrapped("usage: popper", words, 14);
}

std::string popper_help() {
  std::string text = popper_usage();
  text +=
      "\nServes mail spools over POP3. With an address or a port as first argument it\n"
      "listens there; else descriptor 0 is the client, as from inetd. Options act in\n"
      "the order given, so a later one wins.\n"
      "\nGeneral:\n";
  text += entry("    --foreground", "Stay in the foreground and log to standard error");
  text += entry("    --preauth[=USER]",
                "Serve the client on descriptors 0 and 1, whom another front end let in");
  text +=
      entry("    --show-config", "Print every option's value and where it comes from, and exit");
  text += entry("-i", "Insist on inetd's wait mode: descriptor 0 is a listening socket");
  text += entry("-C FILE",
                "Read this popserv.conf; -C without a file's name is --trim-domain, as ever");
  text += entry("-h, --help", "Print this help and exit");
  text += entry("-v, -V, --version", "Print the version and exit");
  for (int n = 0; n <= static_cast<int>(Section::program); ++n) {
    text += help_of_section(static_cast<Section>(n));
  }
  return text + "\npopper.conf(5) says more about each, and how to write them into a file.\n";
}

}  // namespace pop
