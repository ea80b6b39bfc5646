#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "mail/mbox_scanner.h"
#include "mail/wire_text.h"

namespace pop::test {

/// A spool in memory, its first byte at file offset `base`.
class SpoolInMemory : public LookAhead {
 public:
  explicit SpoolInMemory(std::string_view spool, std::uint64_t base = 0)
      : spool_{spool}, base_{base} {}
  [[nodiscard]] FileBytes size() const override { return {base_ + spool_.size()}; }
  [[nodiscard]] std::string_view bytes(FileBytes offset, std::size_t count) override {
    if (offset.count < base_ || offset.count - base_ > spool_.size()) return {};
    return spool_.substr(offset.count - base_, count);
  }

 private:
  std::string_view spool_;
  std::uint64_t base_;
};

/// What a scan found.
struct Listing {
  SpoolFormat format = SpoolFormat::empty;
  std::vector<ScannedMessage> messages;
  std::string error;  // "" if finish() succeeded
};

inline bool same_message(const ScannedMessage& a, const ScannedMessage& b) {
  return a.separator == b.separator && a.header == b.header && a.body == b.body &&
         a.content_end == b.content_end && a.end == b.end && a.wire == b.wire &&
         a.body_lines == b.body_lines && a.fingerprint == b.fingerprint &&
         a.stored_id == b.stored_id && a.computed_id == b.computed_id &&
         a.retrieved == b.retrieved && a.folder_internal == b.folder_internal &&
         a.has_hidden_fields == b.has_hidden_fields && a.has_status == b.has_status;
}

inline bool same_listing(const Listing& a, const Listing& b) {
  return a.format == b.format && a.error == b.error &&
         std::ranges::equal(a.messages, b.messages, same_message);
}

/// Feeds `spool` from file offset `start` on, each cut an offset into the spool, ascending.
inline Listing scan(std::string_view spool, const std::vector<std::size_t>& cuts = {},
                    ScanOptions options = {}, std::uint64_t base = 0, std::size_t start = 0,
                    SpoolFormat format = SpoolFormat::empty) {
  SpoolInMemory look_ahead{spool, base};
  MboxScanner scanner{options, &look_ahead, {base + start}, format};
  Listing listing;
  const auto collect = [&] {
    while (auto message = scanner.next()) listing.messages.push_back(std::move(*message));
  };
  std::size_t done = start;
  for (const std::size_t cut : cuts) {
    scanner.feed(spool.substr(done, cut - done));
    done = cut;
    collect();
  }
  scanner.feed(spool.substr(done));
  if (const auto finished = scanner.finish(); !finished) listing.error = finished.error().text;
  collect();
  listing.format = scanner.format();
  return listing;
}

/// Pieces of `step` bytes.
inline std::vector<std::size_t> cuts_every(std::size_t step, std::size_t begin, std::size_t size) {
  std::vector<std::size_t> cuts;
  for (std::size_t cut = begin + step; cut < size; cut += step) cuts.push_back(cut);
  return cuts;
}

/// What the client gets for a message fed with these cuts, and what WireText counted.
struct Wire {
  std::string text;
  std::uint64_t octets = 0;
};
inline Wire to_wire(std::string_view message, std::optional<LineCount> top = std::nullopt,
                    const std::vector<std::size_t>& cuts = {}) {
  WireText wire{top};
  Wire result;
  const auto add = [&](std::string_view piece) {
    std::string out(WireText::room_for(piece.size()), '\0');
    out.resize(wire.convert(piece, out));
    result.text += out;
  };
  std::size_t done = 0;
  for (const std::size_t cut : cuts) {
    add(message.substr(done, cut - done));
    done = cut;
  }
  add(message.substr(done));
  std::array<char, 64> last{};
  result.text.append(last.data(), wire.finish(last));
  result.octets = wire.octets().count;
  return result;
}

}  // namespace pop::test
