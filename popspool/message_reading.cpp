#include "popspool/message_reading.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.h"

namespace pop {
namespace {

constexpr int views_at_most = 10;
constexpr std::size_t largest_message = std::size_t{1} << 30;

struct Wanted {
  MessageNumber number;
  std::string unique_id;
};

/// "7", "2-5" or "7-"; nullopt for anything else.
struct Range {
  std::uint64_t first = 0, last = 0;
};
std::optional<Range> range_of(std::string_view text, std::uint64_t messages) {
  const std::size_t dash = text.find('-');
  const std::optional<std::uint64_t> first = decimal(text.substr(0, dash));
  if (!first) return std::nullopt;
  if (dash == text.npos) return Range{*first, *first};
  const std::string_view behind = text.substr(dash + 1);
  if (behind.empty()) return Range{*first, std::max(*first, messages)};
  const std::optional<std::uint64_t> last = decimal(behind);
  if (!last || *last < *first) return std::nullopt;
  return Range{*first, *last};
}

Result<void> choose(const SpoolView& view, const std::string& word, std::set<std::size_t>& chosen) {
  const std::span<const ViewedMessage> messages = view.messages();
  if (const auto range = range_of(word, messages.size())) {
    if (range->first < 1 || range->last > messages.size()) {
      return fail(Errc::not_found,
                  "no message " + escaped(word) + ": there are " + std::to_string(messages.size()));
    }
    for (std::uint64_t i = range->first; i <= range->last; ++i) chosen.insert(i - 1);
    return {};
  }
  const auto found = std::ranges::find(messages, word, &ViewedMessage::unique_id);
  if (found == messages.end()) {
    return fail(Errc::not_found, "no message with the unique-id " + escaped(word));
  }
  chosen.insert(static_cast<std::size_t>(found - messages.begin()));
  return {};
}

Result<std::vector<Wanted>> wanted_of(const SpoolView& view,
                                      const std::vector<std::string>& choice) {
  std::set<std::size_t> chosen;
  for (const std::string& word : choice) {
    if (Result<void> known = choose(view, word, chosen); !known) {
      return std::unexpected(std::move(known).error());
    }
  }
  std::vector<Wanted> wanted;
  for (std::size_t i = 0; i < view.messages().size(); ++i) {
    if (!choice.empty() && !chosen.contains(i)) continue;
    wanted.push_back(
        {{static_cast<std::uint32_t>(i + 1)}, std::string{view.messages()[i].unique_id}});
  }
  return wanted;
}

/// Looks anew when the spool has changed.
class MessageFinder {
 public:
  explicit MessageFinder(const TargetRun& run) : run_{run} {}

  Result<void> look() {
    if (++views_ > views_at_most) {
      return fail(Errc::changed, "other programs change the maildrop again and again");
    }
    Result<std::unique_ptr<SpoolView>> view = view_maildrop(run_.context, run_.user);
    if (!view) return std::unexpected(std::move(view).error());
    view_ = std::move(*view);
    by_id_.clear();
    for (std::size_t i = 0; i < view_->messages().size(); ++i) {
      by_id_.emplace(view_->messages()[i].unique_id, static_cast<std::uint32_t>(i + 1));
    }
    return {};
  }
  [[nodiscard]] const SpoolView& view() const { return *view_; }

  /// nullopt: it has gone.
  Result<std::optional<ReadWhole>> read(const Wanted& wanted, Extent extent) {
    for (;;) {
      const auto now = by_id_.find(wanted.unique_id);
      if (now == by_id_.end()) return std::nullopt;
      Result<ReadWhole> message = read_at({now->second}, extent);
      if (message) {
        message->number = wanted.number;
        return std::move(*message);
      }
      if (message.error().code != Errc::changed) return std::unexpected(message.error());
      if (Result<void> looked = look(); !looked) return std::unexpected(looked.error());
    }
  }

 private:
  Result<ReadWhole> read_at(MessageNumber number, Extent extent) {
    const ViewedMessage& viewed = view_->messages()[number.index()];
    ReadWhole message{.number = number,
                      .unique_id = std::string{viewed.unique_id},
                      .size = viewed.size,
                      .retrieved = viewed.retrieved,
                      .delivered = view_->delivered(number),
                      .separator = {},
                      .content = {}};
    Result<std::unique_ptr<MessageReader>> reader = view_->open(number);
    if (!reader) return std::unexpected(std::move(reader).error());
    Result<std::string> content = read_all(**reader, extent);
    if (!content) return std::unexpected(std::move(content).error());
    Result<std::string> separator = view_->separator(number);
    if (!separator) return std::unexpected(std::move(separator).error());
    message.content = std::move(*content);
    message.separator = std::move(*separator);
    return message;
  }

  const TargetRun& run_;
  int views_ = 0;
  std::unique_ptr<SpoolView> view_;
  std::map<std::string_view, std::uint32_t> by_id_;
};

}  // namespace

Result<std::string> read_all(MessageReader& reader, Extent extent) {
  std::string content;
  std::vector<char> piece(extent == Extent::header ? 8192 : 262144);
  for (;;) {
    const Result<std::size_t> got = reader.read(piece);
    if (!got) return std::unexpected(got.error());
    if (*got == 0) return content;
    content.append(piece.data(), *got);
    if (content.size() > largest_message) return fail(Errc::limit, "a message is too large");
    if (extent == Extent::whole) continue;
    const bool whole_header = content.starts_with('\n') || content.starts_with("\r\n") ||
                              content.find("\n\n") != content.npos ||
                              content.find("\n\r\n") != content.npos;
    if (whole_header) return content;
  }
}

Result<void> read_messages(const TargetRun& run, const std::vector<std::string>& choice,
                           Extent extent, const VisitMessage& visit) {
  MessageFinder finder{run};
  if (Result<void> looked = finder.look(); !looked) return looked;
  for (const std::string& remark : finder.view().remarks()) run.output.complain(remark);
  const Result<std::vector<Wanted>> wanted = wanted_of(finder.view(), choice);
  if (!wanted) return std::unexpected(wanted.error());
  for (const Wanted& one : *wanted) {
    const Result<std::optional<ReadWhole>> message = finder.read(one, extent);
    if (!message) return std::unexpected(message.error());
    if (!*message) continue;
    if (Result<void> visited = visit(**message); !visited) return visited;
  }
  return {};
}

}  // namespace pop
