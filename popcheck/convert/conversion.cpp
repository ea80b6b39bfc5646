#include "popcheck/convert/conversion.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "conf/command_line.h"
#include "conf/popserv_grammar.h"

namespace pop {
namespace {

void erase_line(std::string& text, std::size_t number) {
  std::size_t begin = 0;
  for (std::size_t line = 1; line < number && begin < text.size(); ++line) {
    begin = std::min(text.find('\n', begin), text.size() - 1) + 1;
  }
  text.erase(begin, std::min(text.find('\n', begin), text.size()) - begin);
}

/// The text without the lines that are wrong, each of which becomes a note.
std::string right_lines(ForeignConfiguration& conversion, std::string text,
                        const std::string& name) {
  constexpr int most_rounds = 5;  // without its header, what a table holds is wrong, too
  for (int round = 0; round < most_rounds; ++round) {
    const Complaints wrong = parse_configuration_text(text, name).complaints;
    if (wrong.empty()) return text;
    for (const Complaint& one : wrong) {
      conversion.note(one.place, one.what);
      erase_line(text, one.place.line);
    }
  }
  conversion.note({name}, "too much is wrong: nothing of this file was carried over");
  return "";
}

/// What is right of each file. No value of ours may come from a file that is not the old server's.
FileReader reader_of_right_lines(ForeignConfiguration& conversion) {
  return
      [&conversion, read = start_up_file_reader()](const std::string& path) -> Result<std::string> {
        if (path == default_config_file)
          return fail(Errc::not_found, "not part of what is converted");
        Result<std::string> text = read(path);
        if (text) return right_lines(conversion, std::move(*text), path);
        conversion.note({path}, text.error().text);
        return std::string{};
      };
}

std::string listen_table(const ListenAddress& listener) {
  std::string text = "\n[[listen]]\naddress = \"" + to_string(listener) + "\"\n";
  if (listener.tls != ListenTls::by_support) {
    text += "tls = \"" + std::string{word_of(listener.tls)} + "\"\n";
  }
  if (listener.kerberos != ListenKerberos::by_option) {
    text += listener.kerberos == ListenKerberos::yes ? "kerberos = true\n" : "kerberos = false\n";
  }
  return text;
}

// In our TOML nothing would warn of it any more.
void note_what_is_enforced(ForeignConfiguration& conversion, const Configuration& old) {
  if (old.settings.announce_expire <= 0) return;
  conversion.note(old.origins[index_of(option_named("announce-expire"))],
                  "announce-expire was only announced: here mail is deleted so many days after it "
                  "was retrieved; -1 leaves it alone");
}

}  // namespace

void ForeignConfiguration::set(std::string_view name, std::string_view text, const Place& place) {
  const Option& option = option_named(name);
  const Judged<Value> value = read_value(option, text);
  if (!value) return note(place, value.error());
  store_value(configuration_.settings, option, *value);
  configuration_.origins[index_of(option)] = place;
}

void ForeignConfiguration::listen(const ListenAddress& listener, const Place& place) {
  const auto same = [&](const ListenAddress& other) { return is_same_place(listener, other); };
  if (std::ranges::any_of(configuration_.listeners, same)) return;
  configuration_.listeners.push_back(listener);
  configuration_.listener_places.push_back(place);
}

void ForeignConfiguration::note(const Place& place, std::string what) {
  notes_.push_back({place, std::move(what)});
}

bool ForeignConfiguration::has(std::string_view option) const {
  return !configuration_.origins[index_of(option_named(option))].source.empty();
}

void ForeignConfiguration::take(const Configuration& other) {
  for (const Option& option : all_options()) {
    const Place& origin = other.origins[index_of(option)];
    const bool has_field = !std::holds_alternative<std::monostate>(option.target);
    if (!has_field || origin.source.empty()) continue;
    reset_value(configuration_.settings, option);
    store_value(configuration_.settings, option, load_value(other.settings, option));
    configuration_.origins[index_of(option)] = origin;
  }
  for (const ListenAddress& listener : other.listeners) listen(listener, {});
  for (const Complaint& remark : other.remarks) notes_.push_back(remark);
}

std::string ForeignConfiguration::to_toml() const {
  constexpr std::size_t comment_column = 44;
  std::string text;
  for (const Complaint& one : notes_) text += "# Note: " + escaped(to_string(one), 1024) + "\n";
  if (!text.empty()) text += "\n";
  for (const Option& option : all_options()) {
    const Place& origin = configuration_.origins[index_of(option)];
    if (origin.source.empty()) continue;
    std::string line{option.name};
    line += " = " + toml_text(load_value(configuration_.settings, option));
    line.append(line.size() < comment_column ? comment_column - line.size() : 1, ' ');
    text += line + "# " + escaped(to_string(origin), 512) + "\n";
  }
  for (const ListenAddress& listener : configuration_.listeners) text += listen_table(listener);
  return text;
}

void convert_flags(ForeignConfiguration& conversion, const std::vector<std::string>& words,
                   const Place& place) {
  auto line = parse_popper_command_line(words, reader_of_right_lines(conversion));
  const auto is_here = [](const Place& one) { return one.source.starts_with("command line"); };
  if (!line) {
    for (const Complaint& one : line.error().complaints) {
      conversion.note(is_here(one.place) ? place : one.place, one.what);
    }
    PopperCommandLine understood = std::move(line.error().understood);
    line = std::move(understood);
  }
  for (Place& origin : line->configuration.origins) {
    if (is_here(origin)) origin = place;
  }
  note_what_is_enforced(conversion, line->configuration);
  conversion.take(line->configuration);
}

void convert_qpopper(ForeignConfiguration& conversion, const ForeignText& file) {
  Configuration configuration = conversion.configuration();
  const FileReader others = reader_of_right_lines(conversion);
  const FileReader read = [&](const std::string& path) -> Result<std::string> {
    if (path != file.name) return others(path);
    return right_lines(conversion, std::string{file.text}, path);
  };
  const Complaints wrong =
      apply_file_in_part(configuration, {file.name, {file.name}}, FileScope::start_up, read);
  for (const Complaint& one : wrong) conversion.note(one.place, one.what);
  note_what_is_enforced(conversion, configuration);
  conversion.take(configuration);
}

void convert_popserv(ForeignConfiguration& conversion, const ForeignText& file) {
  Configuration configuration;
  const FileReader read = [&](const std::string&) -> Result<std::string> {
    return std::string{file.text};
  };
  const Checked<void> applied = apply_popserv_file(configuration, {file.name, {file.name}}, read);
  if (!applied) {
    for (const Complaint& one : applied.error()) conversion.note(one.place, one.what);
  }
  conversion.take(configuration);
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (const char c : text) {
    const bool is_blank = c == ' ' || c == '\t';
    if (quote == 0 && is_blank) {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
      continue;
    }
    in_word = true;
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else {
      word += c;
    }
  }
  if (in_word) words.push_back(word);
  return words;
}

std::vector<ForeignLine> lines_of(std::string_view text) {
  std::vector<ForeignLine> lines;
  bool joins = false;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = trimmed(line);
    const bool goes_on = line.ends_with('\\') && !line.starts_with('#');
    if (goes_on) line.remove_suffix(1);
    if (joins) {
      lines.back().text += " " + std::string{trimmed(line)};
    } else {
      lines.push_back({std::string{trimmed(line)}, number});
    }
    joins = goes_on;
  }
  return lines;
}

std::string_view unquoted(std::string_view text) {
  text = trimmed(text);
  const bool has_quotes = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
                          text.back() == text.front();
  return has_quotes ? text.substr(1, text.size() - 2) : text;
}

}  // namespace pop
