#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "popspool/mail_source.h"
#include "store/maildrop.h"
#include "tool/run_tool.h"

namespace pop {

/// What became of the messages of a source, or would become.
struct ImportedMail {
  std::size_t added = 0;
  std::size_t there = 0;                   // an equal one was, so they were not added
  std::size_t there_under_another_id = 0;  // of these; it keeps that
  std::size_t ids_taken = 0;  // of those added: another message had the id, and they got a new one
  std::vector<std::string> remarks;  // sentences about the maildrop
};

/// Which message of the maildrop is one of the source.
enum class Sameness : std::uint8_t {
  content,    // an equal one, under whatever unique-id
  unique_id,  // one with its unique-id, or an equal one if another message has got that
};

struct ImportTerms {
  RunMode mode = RunMode::real;
  Sameness sameness = Sameness::content;
  /// Called when all is durable, while sessions are still kept out.
  std::function<Result<void>()> finish{};
};

/// The sentence about it.
[[nodiscard]] std::string ids_taken_text(std::size_t ids_taken);

/// Puts the messages of a source that are not there yet behind the mail of a maildrop, which is
/// made if it is missing. Sessions are kept out meanwhile. All of the source is checked first; on
/// success all of its messages are in the maildrop and fsync'ed. A spool gets what is missing in
/// one step; a Maildir may have got some of it when a crash came. dry_run: only looks. Errors of
/// ImportTerms::finish, MailSource::visit(), view_maildrop(), open_maildrop(), append_to_spool()
/// and add_to_maildir(). Errc::changed also: the source changed meanwhile, and nothing was added.
[[nodiscard]] Result<ImportedMail> import_mail(const MaildropContext& context, const MailUser& user,
                                               const ImportTerms& terms, MailSource& source);

}  // namespace pop
