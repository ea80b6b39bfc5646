#include "popper/message_text.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "mail/wire_text.h"

namespace pop {
namespace {

constexpr std::size_t piece_size = std::size_t{64} * 1024;

class TextReader final : public MessageReader {
 public:
  explicit TextReader(std::string text) : text_{std::move(text)} {}

  Result<std::size_t> read(std::span<char> buffer) override {
    const std::size_t size = text_.copy(buffer.data(), buffer.size(), taken_);
    taken_ += size;
    return size;
  }

 private:
  std::string text_;
  std::size_t taken_ = 0;
};

Result<std::string> mangled(MessageReader& reader, const MessageForm& form,
                            const StillWanted& wanted) {
  Result<MimeFlattener> flattener = MimeFlattener::make(*form.mangle, form.extent);
  if (!flattener) return std::unexpected(std::move(flattener).error());
  std::vector<char> piece(piece_size);
  while (!flattener->is_satisfied()) {
    const Result<std::size_t> read = reader.read(piece);
    if (!read) return std::unexpected(read.error());
    if (*read == 0) break;
    if (!wanted()) return fail(Errc::busy, "its conversion is not wanted any more");
    flattener->feed({piece.data(), *read});
  }
  return flattener->finish();
}

}  // namespace

Result<std::unique_ptr<MessageReader>> open_in_form(Maildrop& maildrop, MessageNumber number,
                                                    const MessageForm& form,
                                                    const StillWanted& wanted) {
  if (!form.mangle) return open_for_client(maildrop, number, form.client);
  const Result<std::unique_ptr<MessageReader>> stored = maildrop.open(number);
  if (!stored) return std::unexpected(stored.error());
  Result<std::string> text = mangled(**stored, form, wanted);
  if (!text) return std::unexpected(std::move(text).error());
  if (form.client.has_no_nul) std::ranges::replace(*text, '\0', in_place_of_nul);
  return std::make_unique<TextReader>(*std::move(text));
}

Result<WireOctets> size_in_form(Maildrop& maildrop, MessageNumber number, const MessageForm& form,
                                const StillWanted& wanted) {
  if (!form.mangle) return size_for_client(maildrop, number, form.client);
  const Result<std::unique_ptr<MessageReader>> reader =
      open_in_form(maildrop, number, form, wanted);
  if (!reader) return std::unexpected(reader.error());
  std::vector<char> piece(piece_size), wire_piece(WireText::room_for(piece_size));
  WireText wire;
  while (true) {
    const Result<std::size_t> read = (*reader)->read(piece);
    if (!read) return std::unexpected(read.error());
    if (*read == 0) break;
    (void)wire.convert({piece.data(), *read}, wire_piece);
  }
  (void)wire.finish(wire_piece);
  return wire.octets();
}

}  // namespace pop
