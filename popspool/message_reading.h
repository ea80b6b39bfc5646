#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "popspool/target_runner.h"
#include "store/spool_view.h"

namespace pop {

/// One message, read as a whole.
struct ReadWhole {
  MessageNumber number;  // in the listing that the work began with
  std::string unique_id;
  WireOctets size;
  bool retrieved = false;
  std::optional<std::int64_t> delivered;  // as SpoolView::delivered()
  std::string separator;                  // From_ line; empty in a Maildir
  std::string content;                    // as stored: header and body
};

/// How much of each message is needed.
enum class Extent : std::uint8_t { header, whole };

/// Reads messages of the target one after the other, while sessions and deliveries go on: the
/// listing is the one of the beginning, and a message that has moved since is found by its
/// unique-id. One that has gone since is left out. `choice` is empty for all messages, else a list
/// of numbers, ranges ("2-5", "7-") and unique-ids. An error of `visit` ends it.
/// Errc::not_found: no such message. Errc::changed: other programs rewrite the spool again and
/// again. Errc::limit: a message of more than a gigabyte.
using VisitMessage = std::function<Result<void>(const ReadWhole& message)>;
[[nodiscard]] Result<void> read_messages(const TargetRun& run,
                                         const std::vector<std::string>& choice, Extent extent,
                                         const VisitMessage& visit);

/// All of a message that is open.
[[nodiscard]] Result<std::string> read_all(MessageReader& reader, Extent extent);

}  // namespace pop
