#include "popspool/export_writer.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "mail/from_line.h"
#include "mail/incoming_text.h"
#include "popspool/tar_file.h"
#include "store/append_buffer.h"

namespace pop {
namespace {

Result<Fd> new_file(Disk& disk, const Fd& directory, const std::string& name) {
  return disk.open(directory.get(), name, O_RDWR | O_CREAT | O_EXCL, 0600);
}

Result<void> write_new_file(Disk& disk, const Fd& directory, const std::string& name,
                            std::string_view content) {
  const Result<Fd> file = new_file(disk, directory, name);
  if (!file) return std::unexpected(file.error());
  Result<void> done = disk.write(*file, content, {0});
  return done ? disk.sync(*file) : done;
}

Result<Fd> new_directory(Disk& disk, const Fd& above, const std::string& name) {
  Result<void> made = disk.make_directory(above.get(), name, 0700);
  if (!made) return std::unexpected(std::move(made).error());
  return disk.open(above.get(), name, O_RDONLY | O_DIRECTORY);
}

/// Two programs need not agree on what an empty line is, so an LF alone counts.
void end_with_empty_line(std::string& text) {
  if (text.ends_with("\n\n") || text.ends_with("\n\r\n")) return;
  text += text.ends_with('\n') ? "\n" : "\n\n";
}

std::string in_mbox(const ReadWhole& message) {
  const bool is_from_mbox = is_from_line(message.separator);
  std::string text = message.separator + "\n";
  if (is_from_mbox) {
    text += message.content;
  } else {
    using std::chrono::seconds, std::chrono::system_clock;
    text = make_from_line("", system_clock::time_point{seconds{message.delivered.value_or(0)}});
    SeparatorQuoting quoting{SpoolFormat::mbox};
    quoting.feed(message.content, text);
    quoting.finish(text);
  }
  end_with_empty_line(text);
  return text;
}

std::string maildir_file(const ReadWhole& message, std::size_t number) {
  const std::string digits = std::to_string(number);
  std::string name = message.retrieved ? "cur/" : "new/";
  name += std::to_string(std::max<std::int64_t>(message.delivered.value_or(0), 0)) + ".N" +
          std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits +
          ".export,S=" + std::to_string(message.content.size());
  return message.retrieved ? name + ":2,S" : name;
}

class MboxExport final : public ExportWriter {
 public:
  /// nullptr: nothing stands beside it.
  MboxExport(Disk& disk, const Fd* directory, Fd mail)
      : ExportWriter{ExportFormat::mbox},
        disk_{disk},
        directory_{directory},
        mail_{std::move(mail)},
        buffer_{disk, mail_, {0}} {}

  Result<void> add(const ReadWhole& message) override {
    const std::string text = in_mbox(message);
    note(message, text, "");
    return buffer_.append(text);
  }

 private:
  Result<void> end(const ExportManifest& manifest) override {
    Result<void> done = buffer_.flush();
    if (done) done = disk_.sync(mail_);
    if (!done || directory_ == nullptr) return done;
    done = write_new_file(disk_, *directory_, built_manifest, manifest.serialised());
    return done ? disk_.sync_directory(directory_->get()) : done;
  }

  Disk& disk_;
  const Fd* directory_;
  Fd mail_;
  AppendBuffer buffer_;
};

class MaildirExport final : public ExportWriter {
 public:
  struct Directories {
    Fd root, seen, fresh;  // cur and new
  };
  MaildirExport(Disk& disk, Directories directories)
      : ExportWriter{ExportFormat::maildir}, disk_{disk}, in_{std::move(directories)} {}

  Result<void> add(const ReadWhole& message) override {
    const std::string file = maildir_file(message, messages() + 1);
    note(message, message.content, file);
    return write_new_file(disk_, message.retrieved ? in_.seen : in_.fresh, file.substr(4),
                          message.content);
  }

 private:
  Result<void> end(const ExportManifest& manifest) override {
    Result<void> done =
        write_new_file(disk_, in_.root, std::string{manifest_file}, manifest.serialised());
    for (const Fd* each : {&in_.seen, &in_.fresh, &in_.root}) {
      if (done) done = disk_.sync_directory(each->get());
    }
    return done;
  }

  Disk& disk_;
  Directories in_;
};

class TarExport final : public ExportWriter {
 public:
  TarExport(Disk& disk, std::string prefix, std::unique_ptr<Fd> file, TarWriter tar)
      : ExportWriter{ExportFormat::tar},
        disk_{disk},
        prefix_{std::move(prefix)},
        file_{std::move(file)},
        tar_{std::move(tar)} {}

  Result<void> add(const ReadWhole& message) override {
    const std::string file = maildir_file(message, messages() + 1);
    note(message, message.content, file);
    return tar_.add(prefix_ + file, message.content, message.delivered.value_or(0));
  }

 private:
  Result<void> end(const ExportManifest& manifest) override {
    Result<void> done = tar_.add(prefix_ + std::string{manifest_file}, manifest.serialised(), 0);
    if (done) done = tar_.finish();
    return done ? disk_.sync(*file_) : done;
  }

  Disk& disk_;
  std::string prefix_;
  std::unique_ptr<Fd> file_;
  TarWriter tar_;
};

using Begun = Result<std::unique_ptr<ExportWriter>>;

Begun begin_mbox(Disk& disk, const Fd& directory) {
  Result<Fd> mail = new_file(disk, directory, built_mail);
  if (!mail) return std::unexpected(std::move(mail).error());
  return std::make_unique<MboxExport>(disk, &directory, std::move(*mail));
}

Begun begin_maildir(Disk& disk, const Fd& directory) {
  MaildirExport::Directories made;
  Result<Fd> root = new_directory(disk, directory, built_mail);
  if (!root) return std::unexpected(std::move(root).error());
  made.root = std::move(*root);
  for (const auto& [name, place] :
       {std::pair<const char*, Fd*>{"cur", &made.seen}, {"new", &made.fresh}, {"tmp", nullptr}}) {
    Result<Fd> below = new_directory(disk, made.root, name);
    if (!below) return std::unexpected(std::move(below).error());
    if (place != nullptr) *place = std::move(*below);
  }
  return std::make_unique<MaildirExport>(disk, std::move(made));
}

Begun begin_tar_in(Disk& disk, Fd file, const std::string& name) {
  auto kept = std::make_unique<Fd>(std::move(file));
  Result<TarWriter> tar = TarWriter::begin(*kept);
  if (!tar) return std::unexpected(std::move(tar).error());
  return std::make_unique<TarExport>(disk, name + "/", std::move(kept), std::move(*tar));
}

Begun begin_tar(Disk& disk, const Fd& directory, const std::string& name) {
  Result<Fd> file = new_file(disk, directory, built_mail);
  if (!file) return std::unexpected(std::move(file).error());
  return begin_tar_in(disk, std::move(*file), name);
}

}  // namespace

Result<std::unique_ptr<ExportWriter>> ExportWriter::begin(Disk& disk, const Fd& directory,
                                                          ExportFormat format,
                                                          const std::string& name) {
  if (format == ExportFormat::maildir) return begin_maildir(disk, directory);
  if (format == ExportFormat::tar) return begin_tar(disk, directory, name);
  return begin_mbox(disk, directory);
}

Result<std::unique_ptr<ExportWriter>> ExportWriter::begin_in(Disk& disk, Fd file,
                                                             ExportFormat format) {
  if (format == ExportFormat::tar) return begin_tar_in(disk, std::move(file), "mail");
  return std::make_unique<MboxExport>(disk, nullptr, std::move(file));
}

void ExportWriter::note(const ReadWhole& message, std::string_view written, std::string file) {
  whole_.update(written);
  std::optional<std::int64_t> delivered = message.delivered;
  if (delivered && *delivered < 0) delivered.reset();
  manifest_.messages.push_back({.unique_id = message.unique_id,
                                .sha256 = sha256_of(written),
                                .size = {written.size()},
                                .delivered = delivered,
                                .retrieved = message.retrieved,
                                .file = std::move(file)});
}

Result<ExportManifest> ExportWriter::finish() {
  manifest_.sha256 = whole_.finish();
  if (Result<void> done = end(manifest_); !done) return std::unexpected(std::move(done).error());
  return std::move(manifest_);
}

}  // namespace pop
