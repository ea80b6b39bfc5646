#include "popper/client_form.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "mail/header_downgrade.h"
#include "mail/wire_text.h"

namespace pop {
namespace {

constexpr std::size_t piece_size = std::size_t{4} * 1024;

/// Stored octets in, in pieces of any size; those for the client out.
class HeaderChange {
 public:
  HeaderChange(const ClientForm& form, HeaderKind kind)
      : is_downgraded_{form.is_downgraded && kind.may_have_utf8},
        ends_header_{form.ends_header && kind.is_unended} {}

  void feed(std::string_view piece, std::string& out) {
    if (!piece.empty()) last_ = piece.back();
    if (is_downgraded_) {
      downgrade_.feed(piece, out);
    } else {
      out += piece;
    }
  }
  void finish(std::string& out) {
    if (is_downgraded_) downgrade_.finish(out);
    if (!ends_header_) return;
    if (last_ != '\n') out += '\n';
    out += '\n';
  }
  /// What follows passes as it is.
  [[nodiscard]] bool is_over() const { return is_downgraded_ && downgrade_.is_in_body(); }

 private:
  bool is_downgraded_, ends_header_;
  HeaderDowngrade downgrade_;
  char last_ = '\n';
};

class ChangedMessage final : public MessageReader {
 public:
  ChangedMessage(std::unique_ptr<MessageReader> stored, HeaderChange change)
      : stored_{std::move(stored)}, change_{std::move(change)} {}

  Result<std::size_t> read(std::span<char> buffer) override {
    while (taken_ == changed_.size()) {
      const Result<std::size_t> read = stored_->read(buffer);
      if (!read || change_.is_over()) return read;
      if (*read == 0 && std::exchange(is_finished_, true)) return 0;
      changed_.clear();
      taken_ = 0;
      *read == 0 ? change_.finish(changed_) : change_.feed({buffer.data(), *read}, changed_);
    }
    const std::size_t size = changed_.copy(buffer.data(), buffer.size(), taken_);
    taken_ += size;
    return size;
  }

 private:
  std::unique_ptr<MessageReader> stored_;
  HeaderChange change_;
  std::string changed_;
  std::size_t taken_ = 0;
  bool is_finished_ = false;
};

class MessageWithoutNul final : public MessageReader {
 public:
  explicit MessageWithoutNul(std::unique_ptr<MessageReader> reader) : reader_{std::move(reader)} {}

  Result<std::size_t> read(std::span<char> buffer) override {
    Result<std::size_t> size = reader_->read(buffer);
    if (size) std::ranges::replace(buffer.first(*size), '\0', in_place_of_nul);
    return size;
  }

 private:
  std::unique_ptr<MessageReader> reader_;
};

/// The header's octets on the wire, its empty line included.
class HeaderSize {
 public:
  void feed(std::string_view piece) {
    wire_.resize(WireText::room_for(piece.size()));
    (void)text_.convert(piece, wire_);
  }
  [[nodiscard]] std::uint64_t finish() {
    wire_.resize(WireText::room_for(0));
    (void)text_.finish(wire_);
    return text_.octets().count;
  }
  [[nodiscard]] bool is_whole() const { return text_.satisfied(); }

 private:
  WireText text_{LineCount{0}};
  std::vector<char> wire_;
};

}  // namespace

Result<std::unique_ptr<MessageReader>> open_for_client(Maildrop& maildrop, MessageNumber number,
                                                       const ClientForm& form) {
  Result<std::unique_ptr<MessageReader>> reader = maildrop.open(number);
  if (!reader) return reader;
  const HeaderKind header = maildrop.messages()[number.index()].header;
  if (changes_header(form, header)) {
    reader = std::make_unique<ChangedMessage>(*std::move(reader), HeaderChange{form, header});
  }
  if (form.has_no_nul) reader = std::make_unique<MessageWithoutNul>(*std::move(reader));
  return reader;
}

// The body is the same, so only the headers are compared.
Result<WireOctets> size_for_client(Maildrop& maildrop, MessageNumber number,
                                   const ClientForm& form) {
  const MessageInfo& info = maildrop.messages()[number.index()];
  if (!changes_header(form, info.header)) return info.size;
  const Result<std::unique_ptr<MessageReader>> stored = maildrop.open(number);
  if (!stored) return std::unexpected(stored.error());
  HeaderChange change{form, info.header};
  HeaderSize before, after;
  std::array<char, piece_size> piece;
  std::string changed;
  while (!before.is_whole()) {
    const Result<std::size_t> read = (*stored)->read(piece);
    if (!read) return std::unexpected(read.error());
    if (*read == 0) break;
    changed.clear();
    before.feed({piece.data(), *read});
    change.feed({piece.data(), *read}, changed);
    after.feed(changed);
  }
  changed.clear();
  change.finish(changed);
  after.feed(changed);
  return WireOctets{info.size.count + after.finish() - before.finish()};
}

}  // namespace pop
