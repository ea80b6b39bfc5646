#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "mail/sha256.h"
#include "popspool/export_manifest.h"
#include "popspool/message_reading.h"

namespace pop {

/// Names in the directory in which an export is built.
inline constexpr const char* built_mail = "mail";          // a file, or the Maildir
inline constexpr const char* built_manifest = "manifest";  // of an mbox

/// Writes the export of one maildrop into a directory. Messages are written as they are stored;
/// where they are put into an mbox, with what a separator needs: a From_ line, an empty line before
/// the next one, and a '>' before lines that could be taken for one, unless they come from an mbox.
class ExportWriter {
 public:
  /// `directory` must outlive the writer; `name` is the directory that a tar's files are in.
  [[nodiscard]] static Result<std::unique_ptr<ExportWriter>> begin(Disk& disk, const Fd& directory,
                                                                   ExportFormat format,
                                                                   const std::string& name);
  /// Writes to an open file, which is empty; not for ExportFormat::maildir. What would stand beside
  /// an mbox is not written: finish() gives it.
  [[nodiscard]] static Result<std::unique_ptr<ExportWriter>> begin_in(Disk& disk, Fd file,
                                                                      ExportFormat format);
  virtual ~ExportWriter() = default;

  [[nodiscard]] virtual Result<void> add(const ReadWhole& message) = 0;
  /// Writes the manifest; all is fsync'ed on success.
  [[nodiscard]] Result<ExportManifest> finish();

 protected:
  explicit ExportWriter(ExportFormat format) { manifest_.format = format; }
  /// Puts it into the manifest. `written` is how it stands in the export.
  void note(const ReadWhole& message, std::string_view written, std::string file);
  [[nodiscard]] std::size_t messages() const { return manifest_.messages.size(); }

 private:
  [[nodiscard]] virtual Result<void> end(const ExportManifest& manifest) = 0;

  ExportManifest manifest_;
  Sha256 whole_;
};

}  // namespace pop
