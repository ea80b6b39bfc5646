#include "popspool/export_manifest.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "mail/sha256.h"
#include "mail/unique_id.h"

namespace pop {
namespace {

constexpr std::string_view first_words = "popspool-export 1 ";
constexpr std::array format_names{std::pair{ExportFormat::mbox, std::string_view{"mbox"}},
                                  std::pair{ExportFormat::maildir, std::string_view{"maildir"}},
                                  std::pair{ExportFormat::tar, std::string_view{"tar"}}};

std::optional<ExportFormat> format_named(std::string_view name) {
  for (const auto& [format, its_name] : format_names) {
    if (name == its_name) return format;
  }
  return std::nullopt;
}

std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

bool is_sha256(std::string_view word) {
  return word.size() == 64 && word.find_first_not_of("0123456789abcdef") == word.npos;
}

/// No other path than these leads out of the export.
bool is_message_file(std::string_view path) {
  if (!path.starts_with("cur/") && !path.starts_with("new/")) return false;
  const std::string_view name = path.substr(4);
  return !name.empty() && name.front() != '.' && name.find('/') == name.npos;
}

std::string line_of(const ExportManifest::Message& message) {
  return "message " + message.unique_id + " " + message.sha256 + " " +
         std::to_string(message.size.count) + " " +
         (message.delivered ? std::to_string(*message.delivered) : "-") + " " +
         (message.retrieved ? "retrieved" : "-") + " " +
         (message.file.empty() ? "-" : message.file) + "\n";
}

/// Behind the word "message".
std::optional<ExportManifest::Message> message_of(std::string_view line, ExportFormat format) {
  ExportManifest::Message message;
  message.unique_id = take_word(line);
  message.sha256 = take_word(line);
  const std::optional<std::uint64_t> size = decimal(take_word(line));
  const std::string_view delivered = take_word(line), retrieved = take_word(line);
  const std::optional<std::uint64_t> seconds = decimal(delivered);
  const bool is_mbox = format == ExportFormat::mbox;
  const bool is_understood = is_valid_unique_id(message.unique_id) && is_sha256(message.sha256) &&
                             size && (delivered == "-" || (seconds && *seconds < 1ULL << 62)) &&
                             (retrieved == "-" || retrieved == "retrieved") &&
                             (is_mbox ? line == "-" : is_message_file(line));
  if (!is_understood) return std::nullopt;
  message.size = {*size};
  if (seconds) message.delivered = static_cast<std::int64_t>(*seconds);
  message.retrieved = retrieved != "-";
  if (!is_mbox) message.file = line;
  return message;
}

class ManifestReader {
 public:
  explicit ManifestReader(std::string_view content) : rest_{content} {}

  Result<ExportManifest> read() {
    const std::string_view whole = rest_;
    std::string_view line = take_line();
    const std::optional<ExportFormat> format = line.starts_with(first_words)
                                                   ? format_named(line.substr(first_words.size()))
                                                   : std::nullopt;
    if (!format) return refuse("it is no manifest of popspool export that is understood here");
    ExportManifest manifest{.format = *format, .messages = {}, .sha256 = {}};
    for (line = take_line(); line.starts_with("message "); line = take_line()) {
      std::optional<ExportManifest::Message> message = message_of(line.substr(8), *format);
      if (!message) return refuse("the line is damaged");
      manifest.messages.push_back(std::move(*message));
    }
    if (!line.starts_with("mail ") || !is_sha256(line.substr(5))) return refuse("it is damaged");
    manifest.sha256 = line.substr(5);
    const std::string expected = sha256_of(whole.substr(0, whole.size() - rest_.size()));
    if (take_line() != "manifest " + expected || !rest_.empty()) {
      return refuse("its own checksum is wrong");
    }
    return manifest;
  }

 private:
  /// Without its LF; a last line without one is no line.
  std::string_view take_line() {
    ++number_;
    const std::size_t end = rest_.find('\n');
    if (end == rest_.npos) return {};
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return line;
  }
  [[nodiscard]] std::unexpected<Error> refuse(std::string_view why) const {
    return fail(Errc::corrupt, "manifest, line " + std::to_string(number_) + ": " +
                                   std::string{why} + "; nothing was imported");
  }

  std::string_view rest_;
  std::size_t number_ = 0;
};

}  // namespace

Result<ExportFormat> export_format_of(const std::optional<std::string>& name) {
  if (!name) return ExportFormat::mbox;
  const std::optional<ExportFormat> format = format_named(*name);
  if (format) return *format;
  return fail(Errc::usage, "--format \"" + escaped(*name) + "\" is none of mbox, maildir and tar");
}

std::string ExportManifest::serialised() const {
  std::string text{first_words};
  text +=
      std::ranges::find(format_names, format, &decltype(format_names)::value_type::first)->second;
  text += '\n';
  for (const Message& message : messages) text += line_of(message);
  text += "mail " + sha256 + "\n";
  return text + "manifest " + sha256_of(text) + "\n";
}

Result<ExportManifest> ExportManifest::parse(std::string_view content) {
  return ManifestReader{content}.read();
}

}  // namespace pop
