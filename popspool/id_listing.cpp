#include "popspool/id_listing.h"

#include <algorithm>
#include <deque>

#include "base/text.h"
#include "mail/unique_id.h"

namespace pop {
namespace {

constexpr std::string_view unknown = "-";

/// Up to the next `end`, which is taken away.
std::string_view take_until(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

/// Pairs what is still without a partner.
class Pairing {
 public:
  Pairing(std::span<const ListedId> old, std::span<const ListedId> now)
      : old_{old}, now_{now}, partner_(old.size()), taken_(now.size()) {}

  void by_content_and_size() {
    std::map<std::pair<std::string_view, std::uint64_t>, std::deque<std::size_t>> free;
    for (std::size_t i = 0; i < now_.size(); ++i) {
      free[{now_[i].fingerprint, now_[i].octets}].push_back(i);
    }
    for (std::size_t i = 0; i < old_.size(); ++i) {
      if (old_[i].fingerprint.empty() || old_[i].octets == 0) continue;
      const auto found = free.find({old_[i].fingerprint, old_[i].octets});
      if (found == free.end() || found->second.empty()) continue;
      pair(i, found->second.front());
      found->second.pop_front();
    }
  }

  /// Servers count sizes in ways of their own; then all messages with this content must be there.
  void by_content() {
    using Indices = std::pair<std::vector<std::size_t>, std::vector<std::size_t>>;
    std::map<std::string_view, Indices> groups;
    for (std::size_t i = 0; i < old_.size(); ++i) {
      if (!partner_[i]) groups[old_[i].fingerprint].first.push_back(i);
    }
    for (std::size_t i = 0; i < now_.size(); ++i) {
      if (!taken_[i]) groups[now_[i].fingerprint].second.push_back(i);
    }
    for (const auto& [fingerprint, group] : groups) {
      if (fingerprint.empty() || group.first.size() != group.second.size()) continue;
      for (std::size_t i = 0; i < group.first.size(); ++i) pair(group.first[i], group.second[i]);
    }
  }

  /// Where the server showed no header, a size that only one message has on either side.
  void by_size_alone() {
    struct Sharers {
      std::size_t old = 0, now = 0, last_now = 0;
    };
    std::map<std::uint64_t, Sharers> sizes;
    for (const ListedId& message : old_) ++sizes[message.octets].old;
    for (std::size_t i = 0; i < now_.size(); ++i) {
      Sharers& sharers = sizes[now_[i].octets];
      ++sharers.now;
      sharers.last_now = i;
    }
    for (std::size_t i = 0; i < old_.size(); ++i) {
      if (partner_[i] || !old_[i].fingerprint.empty() || old_[i].octets == 0) continue;
      const Sharers& sharers = sizes[old_[i].octets];
      if (sharers.old == 1 && sharers.now == 1 && !taken_[sharers.last_now]) {
        pair(i, sharers.last_now);
      }
    }
  }

  [[nodiscard]] std::vector<std::optional<std::size_t>> take() && { return std::move(partner_); }

 private:
  void pair(std::size_t old, std::size_t now) {
    partner_[old] = now;
    taken_[now] = true;
  }

  std::span<const ListedId> old_, now_;
  std::vector<std::optional<std::size_t>> partner_;
  std::vector<bool> taken_;
};

struct ExportLine {
  std::string maildrop;
  std::uint64_t number = 0;  // 0: tells how many follow
  std::uint64_t count = 0;
  ListedId message;
};

std::optional<ExportLine> parse_line(std::string_view line) {
  ExportLine parsed;
  parsed.maildrop = take_until(line, '\t');
  const std::optional<std::uint64_t> number = decimal(take_until(line, '\t'));
  if (parsed.maildrop.empty() || !number) return std::nullopt;
  parsed.number = *number;
  parsed.message.id = take_until(line, '\t');
  const std::string_view octets = take_until(line, '\t');
  const std::optional<std::uint64_t> size = octets == unknown ? 0 : decimal(octets);
  if (!size) return std::nullopt;
  parsed.message.octets = *size;
  if (*number == 0) {
    parsed.count = *size;
    return parsed.message.id == unknown && line == unknown ? std::optional{parsed} : std::nullopt;
  }
  if (parsed.message.id.empty() || line.empty() || line.find('\t') != line.npos) {
    return std::nullopt;
  }
  if (line != unknown) parsed.message.fingerprint = line;
  return parsed;
}

}  // namespace

std::vector<std::optional<std::size_t>> paired(std::span<const ListedId> old,
                                               std::span<const ListedId> now) {
  Pairing pairing{old, now};
  pairing.by_content_and_size();
  pairing.by_content();
  pairing.by_size_alone();
  return std::move(pairing).take();
}

std::string export_lines(std::string_view maildrop, std::span<const ListedId> listing) {
  const std::string name = escaped(maildrop) + "\t";
  std::string text = name + "0\t-\t" + std::to_string(listing.size()) + "\t-\n";
  for (std::size_t i = 0; i < listing.size(); ++i) {
    const ListedId& message = listing[i];
    text += name + std::to_string(i + 1) + "\t" + message.id + "\t";
    text += message.octets == 0 ? std::string{unknown} : std::to_string(message.octets);
    text +=
        "\t" + (message.fingerprint.empty() ? std::string{unknown} : message.fingerprint) + "\n";
  }
  return text;
}

Result<std::map<std::string, IdListing>> parse_export(std::string_view content) {
  std::map<std::string, IdListing> maildrops;
  std::map<std::string, std::uint64_t> counts;
  std::size_t number = 0;
  while (!content.empty()) {
    const std::string_view line = take_until(content, '\n');
    ++number;
    const auto wrong = [&](std::string_view what) {
      return fail(Errc::corrupt, "line " + std::to_string(number) + ": " + std::string{what});
    };
    if (line == export_first_line.substr(0, export_first_line.size() - 1)) continue;
    if (number == 1) return wrong("no file of popspool uidl export");
    if (line.empty() || line.starts_with('#')) continue;
    std::optional<ExportLine> parsed = parse_line(line);
    if (!parsed) return wrong("not understood");
    if (parsed->number == 0) {
      if (!counts.emplace(parsed->maildrop, parsed->count).second) {
        return wrong("this maildrop stands there twice");
      }
      maildrops[parsed->maildrop];
      continue;
    }
    IdListing& listing = maildrops[parsed->maildrop];
    if (parsed->number != listing.size() + 1) return wrong("the numbers do not follow each other");
    listing.push_back(std::move(parsed->message));
  }
  for (const auto& [maildrop, listing] : maildrops) {
    const auto count = counts.find(maildrop);
    if (count != counts.end() && count->second == listing.size()) continue;
    return fail(Errc::corrupt, maildrop + ": messages are missing; was the file cut off?");
  }
  return maildrops;
}

}  // namespace pop
