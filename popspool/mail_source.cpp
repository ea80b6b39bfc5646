#include "popspool/mail_source.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/text.h"
#include "mail/from_line.h"
#include "mail/message_scanner.h"
#include "mail/sha256.h"
#include "popspool/export_manifest.h"
#include "popspool/tar_file.h"
#include "store/maildir_name.h"
#include "store/spool_listing.h"

namespace pop {
namespace {

constexpr std::uint64_t largest_message = std::uint64_t{1} << 30;

using Manifest = std::optional<ExportManifest>;

std::unexpected<Error> not_as_manifest(const std::string& what) {
  return fail(Errc::corrupt, what + ": not what the manifest says; nothing was imported");
}

Result<std::string> octets(Disk& disk, const Fd& file, FileBytes from, FileBytes count) {
  if (count.count > largest_message) return fail(Errc::limit, "a message is too large");
  std::string text(count.count, '\0');
  const Result<std::size_t> got = disk.read(file, text, from);
  if (!got) return std::unexpected(got.error());
  if (*got != text.size()) return fail(Errc::changed, "the file ends too early");
  return text;
}

Result<std::string> whole_file(Disk& disk, const Fd& file) {
  const Result<FileStatus> status = disk.status(file);
  if (!status) return std::unexpected(status.error());
  if (!status->is_regular()) return fail(Errc::denied, "not a plain file");
  return octets(disk, file, {0}, status->size);
}

/// The id that its X-UIDL: says.
std::string stored_id_of(std::string_view content) {
  MessageScanner scanner{UniqueIdRecipe::native};
  scanner.begin();
  scanner.feed(content);
  return scanner.finish().stored_id;
}

Result<void> check(const ExportManifest::Message& expected, std::string_view found,
                   const std::string& what) {
  if (found.size() == expected.size.count && sha256_of(found) == expected.sha256) return {};
  return not_as_manifest(what);
}

SourceMessage by_manifest(const ExportManifest::Message& listed, std::string separator,
                          std::string content) {
  return {.separator = std::move(separator),
          .content = std::move(content),
          .delivered = listed.delivered,
          .retrieved = listed.retrieved,
          .unique_id = listed.unique_id};
}

// An mbox

class ExportedMbox final : public MailSource {
 public:
  ExportedMbox(Disk& disk, const Fd& file, FileBytes size, ExportManifest manifest)
      : disk_{disk}, file_{file}, size_{size}, manifest_{std::move(manifest)} {}

  Result<void> visit(const Visit& visit) override {
    FileBytes at;
    std::size_t number = 0;
    for (const ExportManifest::Message& listed : manifest_.messages) {
      const std::string what = "message " + std::to_string(++number);
      if (listed.size.count > size_.count - at.count) return not_as_manifest(what);
      Result<std::string> text = octets(disk_, file_, at, listed.size);
      if (!text) return std::unexpected(std::move(text).error());
      if (Result<void> good = check(listed, *text, what); !good) return good;
      const std::size_t line_end = text->find('\n');
      const std::string separator = from_line_in(text->substr(0, line_end));
      if (separator.empty()) return not_as_manifest(what);
      Result<void> visited = visit(by_manifest(listed, separator, text->substr(line_end + 1)));
      if (!visited) return visited;
      at += listed.size;
    }
    return at == size_ ? Result<void>{} : not_as_manifest("the end of the file");
  }
  [[nodiscard]] bool has_manifest() const override { return true; }

 private:
  Disk& disk_;
  const Fd& file_;
  FileBytes size_;
  ExportManifest manifest_;
};

class PlainMbox final : public MailSource {
 public:
  PlainMbox(Disk& disk, const Fd& file, SpoolListing listing)
      : disk_{disk}, file_{file}, listing_{std::move(listing)} {}

  Result<void> visit(const Visit& visit) override {
    for (const SpoolMessage& message : listing_.messages) {
      if ((message.flags & internal_flag) != 0) continue;
      const Result<std::string> separator =
          octets(disk_, file_, message.separator, message.header - message.separator);
      if (!separator) return std::unexpected(separator.error());
      Result<std::string> content =
          octets(disk_, file_, message.header, message.content_end - message.header);
      if (!content) return std::unexpected(std::move(content).error());
      const std::string from = from_line_in(*separator);
      const bool keeps_id = (message.flags & stored_id_flag) != 0;
      Result<void> visited =
          visit({.separator = from,
                 .content = std::move(*content),
                 .delivered = from_line_time(from),
                 .retrieved = (message.flags & retrieved_flag) != 0,
                 .unique_id = keeps_id ? std::string{listing_.id_of(message)} : std::string{}});
      if (!visited) return visited;
    }
    return {};
  }
  [[nodiscard]] bool has_manifest() const override { return false; }

 private:
  Disk& disk_;
  const Fd& file_;
  SpoolListing listing_;
};

// Files of messages, in a Maildir or a tar

SourceMessage plain_message(const std::string& name, std::string content) {
  const MaildirName parsed = parse_maildir_name(name);
  SourceMessage message{.separator = {},
                        .content = std::move(content),
                        .delivered = {},
                        .retrieved = parsed.has_flag('S'),
                        .unique_id = {}};
  if (parsed.delivered != 0) message.delivered = static_cast<std::int64_t>(parsed.delivered);
  message.unique_id = stored_id_of(message.content);
  return message;
}

class MaildirSource final : public MailSource {
 public:
  static Result<std::unique_ptr<MailSource>> open(Disk& disk, const Fd& root) {
    std::unique_ptr<MaildirSource> source{new MaildirSource{disk}};
    for (const char* name : {"cur", "new"}) {
      Result<Fd> directory = disk.open(root.get(), name, O_RDONLY | O_DIRECTORY);
      if (!directory && directory.error().code == Errc::not_found) {
        return fail(Errc::corrupt, "neither a Maildir nor an export");
      }
      if (!directory) return std::unexpected(std::move(directory).error());
      source->directories_[name] = std::move(*directory);
    }
    const Result<Fd> file = disk.open(root.get(), std::string{manifest_file}, O_RDONLY);
    if (!file && file.error().code != Errc::not_found) return std::unexpected(file.error());
    Result<void> done = file ? source->load_manifest(*file) : source->list_files();
    if (!done) return std::unexpected(std::move(done).error());
    return source;
  }

  Result<void> visit(const Visit& visit) override {
    for (std::size_t i = 0; i < files_.size(); ++i) {
      Result<std::string> content = read(files_[i]);
      if (!content && manifest_ && content.error().code == Errc::not_found) {
        return not_as_manifest(escaped(files_[i]) + " is missing");
      }
      if (!content) return std::unexpected(std::move(content).error());
      Result<void> done;
      if (manifest_) done = check(manifest_->messages[i], *content, escaped(files_[i]));
      if (done) {
        done = visit(manifest_ ? by_manifest(manifest_->messages[i], "", std::move(*content))
                               : plain_message(files_[i].substr(4), std::move(*content)));
      }
      if (!done) return done;
    }
    return {};
  }
  [[nodiscard]] bool has_manifest() const override { return manifest_.has_value(); }

 private:
  explicit MaildirSource(Disk& disk) : disk_{disk} {}

  Result<std::string> read(const std::string& path) {
    const Result<Fd> file =
        disk_.open(directories_.at(path.substr(0, 3)).get(), path.substr(4), O_RDONLY);
    if (!file) return std::unexpected(file.error());
    return whole_file(disk_, *file);
  }

  Result<void> load_manifest(const Fd& file) {
    const Result<std::string> text = whole_file(disk_, file);
    if (!text) return std::unexpected(text.error());
    Result<ExportManifest> manifest = ExportManifest::parse(*text);
    if (!manifest) return std::unexpected(std::move(manifest).error());
    if (manifest->format == ExportFormat::mbox) return not_as_manifest("the Maildir");
    for (const ExportManifest::Message& message : manifest->messages) {
      files_.push_back(message.file);
    }
    manifest_ = std::move(*manifest);
    return {};
  }

  /// In the order in which they were delivered.
  Result<void> list_files() {
    for (const auto& [place, directory] : directories_) {
      Result<void> listed = disk_.list(directory.get(), [&](const ListedName& each) {
        if (each.may_be_regular && !each.name.starts_with('.')) {
          files_.push_back(place + "/" + std::string{each.name});
        }
      });
      if (!listed) return listed;
    }
    std::ranges::sort(files_, {}, [](const std::string& file) {
      return std::pair{parse_maildir_name(std::string_view{file}.substr(4)).delivered,
                       file.substr(4)};
    });
    return {};
  }

  Disk& disk_;
  std::map<std::string, Fd> directories_;
  Manifest manifest_;
  std::vector<std::string> files_;  // "cur/NAME" and "new/NAME"
};

/// "cur/NAME" or "new/NAME", or nothing.
std::string message_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == path.npos || slash < 3) return {};
  const std::string_view tail = path.substr(slash - 3);
  const bool is_whole_name = slash == 3 || path[slash - 4] == '/';
  const bool is_message = tail.starts_with("cur/") || tail.starts_with("new/");
  return is_whole_name && is_message && tail.size() > 4 ? std::string{tail} : std::string{};
}

class TarSource final : public MailSource {
 public:
  static Result<std::unique_ptr<MailSource>> open(const Fd& file) {
    std::unique_ptr<TarSource> source{new TarSource{file}};
    std::optional<std::string> text;
    Result<void> done =
        read_tar(file, largest_message, [&](std::string_view path, std::string_view content) {
          if (path.substr(path.rfind('/') + 1) == manifest_file) text = std::string{content};
          return Result<void>{};
        });
    if (!done) return std::unexpected(std::move(done).error());
    if (text) {
      Result<ExportManifest> manifest = ExportManifest::parse(*text);
      if (!manifest) return std::unexpected(std::move(manifest).error());
      source->manifest_ = std::move(*manifest);
    }
    return source;
  }

  Result<void> visit(const Visit& visit) override {
    std::map<std::string, const ExportManifest::Message*> missing;
    if (manifest_) {
      for (const ExportManifest::Message& each : manifest_->messages) missing[each.file] = &each;
    }
    Result<void> done =
        read_tar(file_, largest_message,
                 [&](std::string_view path, std::string_view content) -> Result<void> {
                   const std::string file = message_path(path);
                   if (file.empty()) return {};
                   if (!manifest_)
                     return visit(plain_message(file.substr(4), std::string{content}));
                   const auto listed = missing.find(file);
                   if (listed == missing.end()) return not_as_manifest(escaped(file));
                   const ExportManifest::Message& message = *listed->second;
                   missing.erase(listed);
                   Result<void> good = check(message, content, escaped(file));
                   return good ? visit(by_manifest(message, "", std::string{content})) : good;
                 });
    if (!done || missing.empty()) return done;
    return not_as_manifest(escaped(missing.begin()->first) + " is missing");
  }
  [[nodiscard]] bool has_manifest() const override { return manifest_.has_value(); }

 private:
  explicit TarSource(const Fd& file) : file_{file} {}

  const Fd& file_;
  Manifest manifest_;
};

Result<std::unique_ptr<MailSource>> open_mbox(Disk& disk, const Fd& file, FileBytes size,
                                              const std::optional<std::string>& manifest) {
  if (manifest) {
    Result<ExportManifest> parsed = ExportManifest::parse(*manifest);
    if (!parsed) return std::unexpected(std::move(parsed).error());
    if (parsed->format != ExportFormat::mbox) return not_as_manifest("the file");
    return std::make_unique<ExportedMbox>(disk, file, size, std::move(*parsed));
  }
  SpoolListing listing;
  if (Result<void> done = scan_spool(disk, file, size, {}, listing); !done) {
    return std::unexpected(std::move(done).error());
  }
  return std::make_unique<PlainMbox>(disk, file, std::move(listing));
}

}  // namespace

std::string from_line_in(std::string_view separator) {
  while (!separator.empty()) {
    const std::size_t end = std::min(separator.find('\n'), separator.size());
    std::string_view line = separator.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (is_from_line(line)) return std::string{line};
    separator.remove_prefix(std::min(end + 1, separator.size()));
  }
  return {};
}

Result<std::unique_ptr<MailSource>> MailSource::open(Disk& disk, const Fd& input,
                                                     const std::optional<std::string>& manifest) {
  const Result<FileStatus> status = disk.status(input);
  if (!status) return std::unexpected(status.error());
  if (status->is_directory()) return MaildirSource::open(disk, input);
  if (!status->is_regular()) return fail(Errc::denied, "neither a plain file nor a directory");
  if (!manifest && is_tar(input)) return TarSource::open(input);
  return open_mbox(disk, input, status->size, manifest);
}

}  // namespace pop
