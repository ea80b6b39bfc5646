#include "conf/configuration.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/fd.h"
#include "base/text.h"
#include "conf/classic_grammar.h"
#include "conf/toml_grammar.h"

namespace pop {
namespace {

bool looks_classic(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || line[first] == '#') continue;
    constexpr std::string_view word_ends = " \t\r=.[\"'#";
    const std::size_t word_end = std::min(line.find_first_of(word_ends, first), line.size());
    const std::size_t next = line.find_first_not_of(" \t\r", word_end);
    if (word_end == first) return false;
    return next == std::string_view::npos ||
           std::string_view{"=.[\"'"}.find(line[next]) == std::string_view::npos;
  }
  return false;
}

bool allowed(const Option& option, FileScope scope) {
  switch (scope) {
    case FileScope::start_up:
      return true;
    case FileScope::spool_file:
      return option.may_be_set != MayBeSet::start_up;
    case FileScope::home_file:
      return option.may_be_set == MayBeSet::anywhere;
  }
  return false;
}

std::string why_not_here(const Option& option) {
  std::string what{option.name};
  what += option.may_be_set == MayBeSet::start_up
              ? " may not be set in a per-user file"
              : " may not be set in a user's own file, only in the spool directory's";
  return what;
}

std::string beside(const std::string& file, const std::string& named) {
  namespace fs = std::filesystem;
  return (fs::path{file}.parent_path() / named).lexically_normal().native();
}

/// Applies one file after the other, depth first, and keeps every complaint.
class FileApplier {
 public:
  FileApplier(Configuration& configuration, FileScope scope, const FileReader& read)
      : configuration_{configuration}, scope_{scope}, read_{read} {}

  /// `named_at` is where the file was named, for complaints about the file as a whole.
  void apply_file(const std::string& path, const Place& named_at) {
    if (!may_enter(path, named_at)) return;
    const Result<std::string> text = read_(path);
    if (!text) return complain(named_at, text.error().text, ComplaintKind::file);
    // A file that several others share is mended with an eye on who reads it.
    apply_text(*text, path,
               chain_.empty() ? "" : " (named at " + escaped(to_string(named_at)) + ")");
  }

  void apply_text(std::string_view text, const std::string& path, const std::string& named = "") {
    chain_.push_back(path);
    ParsedText parsed = parse_configuration_text(text, path);
    for (Complaint& complaint : parsed.complaints) {
      complaints_.push_back({std::move(complaint.place), complaint.what + named, complaint.kind});
    }
    for (const Assignment& assignment : parsed.assignments) apply(assignment);
    apply_listeners(parsed);
    chain_.pop_back();
  }

  [[nodiscard]] Complaints take_complaints() { return std::move(complaints_); }

 private:
  void complain(const Place& place, std::string what, ComplaintKind kind) {
    complaints_.push_back({place, std::move(what), kind});
  }

  [[nodiscard]] bool may_enter(const std::string& path, const Place& named_at) {
    if (complaints_.size() >= most_complaints) return false;
    if (std::ranges::find(chain_, path) != chain_.end()) {
      complain(named_at, "config-file goes in a circle: " + chain_to(path), ComplaintKind::file);
      return false;
    }
    if (chain_.size() >= deepest_config_file) {
      complain(named_at,
               "config-file nests deeper than " + std::to_string(deepest_config_file) +
                   " files: " + chain_to(path),
               ComplaintKind::file);
      return false;
    }
    if (++files_ > most_files) {
      // Nesting is bounded by depth, but a file may name many files that name many files.
      if (files_ == most_files + 1) {
        complain(named_at, "more than 1000 files are named in all", ComplaintKind::file);
      }
      return false;
    }
    return true;
  }

  [[nodiscard]] std::string chain_to(const std::string& path) const {
    std::string text;
    for (const std::string& link : chain_) text += escaped(link) + " -> ";
    return text + escaped(path);
  }

  void apply(const Assignment& assignment) {
    const Option& option = *assignment.option;
    if (!allowed(option, scope_)) {
      return complain(assignment.place, why_not_here(option), ComplaintKind::scope);
    }
    configuration_.written.push_back(assignment);
    configuration_.origins[index_of(option)] = assignment.place;
    if (!std::holds_alternative<std::monostate>(option.target)) {
      store_value(configuration_.settings, option, assignment.value);
      return;
    }
    apply_file(beside(chain_.back(), std::get<std::string>(assignment.value)), assignment.place);
  }

  void apply_listeners(const ParsedText& parsed) {
    if (scope_ != FileScope::start_up && !parsed.listeners.empty()) {
      return complain(parsed.listener_places.front(), "listen may not be set in a per-user file",
                      ComplaintKind::scope);
    }
    std::ranges::copy(parsed.listeners, std::back_inserter(configuration_.listeners));
    std::ranges::copy(parsed.listener_places, std::back_inserter(configuration_.listener_places));
  }

  static constexpr std::size_t most_files = 1000;

  Configuration& configuration_;
  FileScope scope_;
  const FileReader& read_;
  std::vector<std::string> chain_;  // files being read, outermost first
  std::size_t files_ = 0;
  Complaints complaints_;
};

/// Runs `work` on a copy that takes the original's place only when nothing is wrong.
template <class Work>
Checked<void> all_or_nothing(Configuration& configuration, FileScope scope, const FileReader& read,
                             const Work& work) {
  Configuration changed = configuration;
  FileApplier applier{changed, scope, read};
  work(applier);
  Complaints complaints = applier.take_complaints();
  if (!complaints.empty()) return std::unexpected(std::move(complaints));
  configuration = std::move(changed);
  return {};
}

constexpr std::size_t largest_start_up_file = std::size_t{64} << 20;

Result<std::string> read_all(const Fd& file, const std::string& path) {
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    const int saved = errno;
    if (got < 0 && saved == EINTR) continue;
    if (got < 0) return fail_errno(saved, "read " + path);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > largest_start_up_file)
      return fail(Errc::limit, path + ": larger than 64 MiB");
  }
}

Result<std::string> read_start_up_file(const std::string& path) {
  const std::string shown = escaped(path);
  const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!file.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "open " + shown);
  }
  struct stat st {};
  if (::fstat(file.get(), &st) != 0) {
    const int saved = errno;
    return fail_errno(saved, "fstat " + shown);
  }
  if (!S_ISREG(st.st_mode)) return fail(Errc::denied, shown + ": not a regular file");
  if ((st.st_mode & S_IWOTH) != 0) {
    return fail(Errc::denied, shown + ": everybody may write it; remove that permission");
  }
  return read_all(file, shown);
}

}  // namespace

ParsedText parse_configuration_text(std::string_view text, const std::string& name) {
  return looks_classic(text) ? parse_classic(text, name) : parse_toml(text, name);
}

FileReader start_up_file_reader() {
  return read_start_up_file;
}

Checked<void> apply_file(Configuration& configuration, const NamedFile& file, FileScope scope,
                         const FileReader& read) {
  return all_or_nothing(configuration, scope, read, [&](FileApplier& applier) {
    applier.apply_file(std::filesystem::path{file.path}.lexically_normal().native(), file.named_at);
  });
}

Complaints apply_file_in_part(Configuration& configuration, const NamedFile& file, FileScope scope,
                              const FileReader& read) {
  FileApplier applier{configuration, scope, read};
  applier.apply_file(std::filesystem::path{file.path}.lexically_normal().native(), file.named_at);
  return applier.take_complaints();
}

Checked<void> apply_text(Configuration& configuration, std::string_view text,
                         const std::string& name, FileScope scope, const FileReader& read) {
  return all_or_nothing(configuration, scope, read,
                        [&](FileApplier& applier) { applier.apply_text(text, name); });
}

}  // namespace pop
