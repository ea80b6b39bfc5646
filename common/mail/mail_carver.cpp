#include "mail/mail_carver.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "mail/from_line.h"
#include "mail/from_line_mending.h"
#include "mail/text_masks.h"

// Whole sectors are looked at, gathered from the pieces; a From_ line may begin anywhere in one and
// go on in the next, which the look-ahead shows.

namespace pop {
namespace {

constexpr std::size_t sector = 512;
constexpr std::size_t blocks = sector / 64;
constexpr std::size_t header_window = 8192;
/// So many octets of a sector are no text in what is no mail.
constexpr int most_controls = 32;
constexpr std::uint64_t most_nuls = 16;

bool may_precede(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return octet < 0x20 || octet >= 0x7f;
}

}  // namespace

struct MailCarver::State {
  explicit State(LookAhead& source) : bytes{source} {}

  void take_sector(std::size_t size);
  void look_for_begin(std::uint64_t from);
  void look_for_nuls(std::size_t size);
  void end_mail(std::uint64_t at_end);

  LookAhead& bytes;
  MaskText mask = best_text_masks();
  std::array<char, sector> gathered{};
  std::size_t gathered_size = 0;
  std::uint64_t at = 0;  // of the gathered sector
  TextMasks before{};
  std::uint64_t nuls = 0;  // that the sectors so far end with
  std::optional<std::uint64_t> begin;
  std::vector<CarvedMail> found;
};

MailCarver::MailCarver(LookAhead& bytes) : state_{std::make_unique<State>(bytes)} {}
MailCarver::MailCarver(MailCarver&&) noexcept = default;
MailCarver& MailCarver::operator=(MailCarver&&) noexcept = default;
MailCarver::~MailCarver() = default;

void MailCarver::feed(std::string_view piece) {
  State& state = *state_;
  while (!piece.empty()) {
    const std::size_t size = std::min(piece.size(), sector - state.gathered_size);
    std::copy_n(piece.data(), size, state.gathered.data() + state.gathered_size);
    state.gathered_size += size;
    piece.remove_prefix(size);
    if (state.gathered_size == sector) state.take_sector(sector);
  }
}

std::vector<CarvedMail> MailCarver::finish() {
  State& state = *state_;
  if (state.gathered_size > 0) state.take_sector(state.gathered_size);
  state.end_mail(state.at);
  return std::move(state.found);
}

void MailCarver::State::take_sector(std::size_t size) {
  std::fill(gathered.begin() + static_cast<std::ptrdiff_t>(size), gathered.end(), '.');
  std::array<TextMasks, blocks> masks;
  mask(gathered.data(), blocks, masks.data());
  int controls = 0;
  for (const TextMasks& one : masks) controls += std::popcount(one.control);
  if (controls > 0) look_for_nuls(size);
  if (controls == 0) nuls = 0;
  if (controls > most_controls) end_mail(at);
  for (std::size_t i = 0; i < blocks; ++i) {
    const TextMasks& now = masks.at(i);
    std::uint64_t words = now.space & (now.m << 1 | before.m >> 63);
    if (words != 0) words &= (now.o << 2 | before.o >> 62) & (now.r << 3 | before.r >> 61);
    for (; words != 0; words &= words - 1) {
      const auto bit = static_cast<unsigned>(std::countr_zero(words));
      const std::uint64_t blank = at + i * 64 + bit;
      if (blank >= 4) look_for_begin(blank - 4);
    }
    before = now;
  }
  at += size;
  gathered_size = 0;
}

/// Ends the mail where sixteen NULs begin.
void MailCarver::State::look_for_nuls(std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    if (gathered.at(i) != '\0') {
      nuls = 0;
    } else if (++nuls == most_nuls) {
      end_mail(at + i + 1 - most_nuls);
    }
  }
}

void MailCarver::State::look_for_begin(std::uint64_t from) {
  const std::uint64_t look = from > 0 ? from - 1 : 0;
  const std::string_view window = bytes.bytes({look}, header_window);
  if (window.empty()) return;
  const bool apart = from == 0 || from % sector == 0 || may_precede(window.front());
  std::string_view line = window.substr(from - look);
  const std::size_t lf = line.find('\n');
  if (!apart || lf == line.npos) return;
  const std::string_view header = line.substr(lf + 1);
  line = line.substr(0, lf);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!is_from_line(line) || !look_at_header(header).is_convincing()) return;
  if (begin && from > *begin) end_mail(from);
  begin = from;
}

void MailCarver::State::end_mail(std::uint64_t at_end) {
  if (!begin || at_end <= *begin) return;
  found.push_back({{*begin}, {at_end}});
  begin.reset();
}

}  // namespace pop
