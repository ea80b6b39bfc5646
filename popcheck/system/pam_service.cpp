#include "popcheck/system/pam_service.h"

#include <array>
#include <optional>
#include <ranges>

#include "base/text.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

constexpr int deepest = 16;

std::optional<PamGroup> group_of(std::string_view word) {
  if (word.starts_with('-')) word.remove_prefix(1);  // a missing module is not logged
  if (equal_ignoring_case(word, "auth")) return PamGroup::auth;
  if (equal_ignoring_case(word, "account")) return PamGroup::account;
  if (equal_ignoring_case(word, "password")) return PamGroup::password;
  if (equal_ignoring_case(word, "session")) return PamGroup::session;
  return std::nullopt;
}

/// Words with blanks between; one in brackets may hold some.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  for (line = trimmed(line); !line.empty(); line = trimmed(line)) {
    std::size_t end = line.front() == '[' ? line.find(']') : line.find_first_of(" \t");
    if (end == std::string_view::npos)
      end = line.size();
    else if (line.front() == '[')
      ++end;
    words.emplace_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

/// Logical lines: a backslash at the end joins the next one, "#" begins a comment.
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  bool goes_on = false;
  for (const auto raw : std::views::split(text, '\n')) {
    std::string_view line{raw.begin(), raw.end()};
    line = trimmed(line.substr(0, std::min(line.find('#'), line.size())));
    const bool joins = line.ends_with('\\');
    if (joins) line.remove_suffix(1);
    if (goes_on)
      lines.back() += " " + std::string{line};
    else
      lines.emplace_back(line);
    goes_on = joins;
  }
  return lines;
}

class ServiceReader {
 public:
  ServiceReader(const HostView& view, PamService& service) : view_{view}, service_{service} {}

  /// `only`: lines of other groups are passed over, as for "auth include FILE".
  bool read(const std::string& name, std::optional<PamGroup> only, int depth) {
    constexpr std::array places{"/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d"};
    for (const char* place : places) {
      const fs::path path = name.starts_with('/') ? fs::path{name} : fs::path{place} / name;
      const Result<std::string> text = view_.text(path);
      if (!text && text.error().code == Errc::not_found) continue;
      if (!text) {
        service_.mistakes.push_back(text.error().text);
        return true;
      }
      service_.files.push_back(path.native());
      for (const std::string& line : lines_of(*text)) take(line, path.native(), only, depth);
      return true;
    }
    return false;
  }

 private:
  void include(const std::string& name, const std::string& file, std::optional<PamGroup> only,
               int depth) {
    if (depth >= deepest) {
      service_.mistakes.push_back(escaped(file) + ": includes too deep, or itself");
    } else if (!read(name, only, depth + 1)) {
      service_.mistakes.push_back(escaped(file) + ": includes " + escaped(name, 80) +
                                  ", which is not there");
    }
  }

  void take(const std::string& line, const std::string& file, std::optional<PamGroup> only,
            int depth) {
    const std::vector<std::string> words = words_of(line);
    if (words.empty()) return;
    if (words[0] == "@include") {
      if (words.size() > 1) include(words[1], file, only, depth);
      return;
    }
    const std::optional<PamGroup> group = group_of(words[0]);
    if (!group || words.size() < 3) {
      service_.mistakes.push_back(escaped(file) + ": cannot be understood: " + escaped(line, 80));
      return;
    }
    if (only && *only != *group) return;
    if (words[1] == "include" || words[1] == "substack") {
      return include(words[2], file, group, depth);
    }
    service_.lines.push_back({.group = *group,
                              .control = words[1],
                              .module = words[2],
                              .arguments = {words.begin() + 3, words.end()},
                              .file = file,
                              .may_be_missing = words[0].starts_with('-')});
  }

  const HostView& view_;
  PamService& service_;
};

}  // namespace

PamService read_pam_service(const HostView& view, const std::string& name) {
  PamService service;
  service.found = ServiceReader{view, service}.read(name, std::nullopt, 0);
  return service;
}

}  // namespace pop
