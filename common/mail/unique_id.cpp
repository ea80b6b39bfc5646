#include "mail/unique_id.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>

#include "base/hex.h"
#include "base/text.h"
#include "mail/bookkeeping.h"

namespace pop {
namespace {

struct DigestClose {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};
struct AlgorithmClose {
  void operator()(EVP_MD* algorithm) const noexcept { EVP_MD_free(algorithm); }
};
using DigestHandle = std::unique_ptr<EVP_MD_CTX, DigestClose>;
using AlgorithmHandle = std::unique_ptr<EVP_MD, AlgorithmClose>;

void require(int openssl_success) {
  if (openssl_success != 1) throw std::runtime_error{"libcrypto: message digest failed"};
}

/// One digest over text that comes in small pieces. Nothing is computed before the text outgrows
/// the buffer, so starting one that is not finished costs nothing.
class TextDigest {
 public:
  explicit TextDigest(const EVP_MD* algorithm) : algorithm_{algorithm}, context_{EVP_MD_CTX_new()} {
    if (!context_) throw std::bad_alloc{};
    text_.reserve(buffer_size + 3 * UniqueIdMaker::longest_line);
  }

  void begin() {
    text_.clear();
    started_ = false;
  }
  void add(std::string_view text) {
    text_ += text;
    if (text_.size() >= buffer_size) flush();
  }
  void add(char c) { text_ += c; }

  /// The first 16 bytes.
  [[nodiscard]] std::array<unsigned char, 16> finish() {
    flush();
    std::array<unsigned char, EVP_MAX_MD_SIZE> whole{};
    require(EVP_DigestFinal_ex(context_.get(), whole.data(), nullptr));
    std::array<unsigned char, 16> head{};
    std::copy_n(whole.begin(), head.size(), head.begin());
    return head;
  }

 private:
  static constexpr std::size_t buffer_size = 8192;

  void flush() {
    if (!started_) require(EVP_DigestInit_ex2(context_.get(), algorithm_, nullptr));
    started_ = true;
    require(EVP_DigestUpdate(context_.get(), text_.data(), text_.size()));
    text_.clear();
  }

  const EVP_MD* algorithm_;
  DigestHandle context_;
  std::string text_;
  bool started_ = false;
};

std::string base80(const std::array<unsigned char, 16>& bytes) {
  std::string text;
  text.reserve(20);
  for (std::size_t group = 0; group < bytes.size(); group += 4) {
    unsigned value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value * 16 + bytes.at(group + i);
    for (int digit = 0; digit < 5; ++digit, value /= 80) {
      const char c = static_cast<char>('!' + value % 80);
      text += c == '.' ? '~' : c;
    }
  }
  return text;
}

bool is_continuation(std::string_view line) {
  return !line.empty() && (line.front() == ' ' || line.front() == '\t');
}

bool is_native_field(std::string_view name) {
  constexpr std::array<std::string_view, 7> names{"received", "date",    "from",      "to",
                                                  "cc",       "subject", "message-id"};
  return std::ranges::any_of(names, [&](std::string_view known) {
    return lower(name.front()) == known.front() && equal_ignoring_case(name, known);
  });
}

bool is_qpopper_line(std::string_view line) {
  constexpr std::array<std::string_view, 4> beginnings{
      "Received:", "Date:", "Message-Id:", "Subject:"};
  return std::ranges::any_of(beginnings, [&](std::string_view beginning) {
    return starts_with_ignoring_case(line, beginning);
  });
}

AlgorithmHandle fetch(UniqueIdRecipe recipe) {
  const char* name = recipe == UniqueIdRecipe::native ? "SHA256" : "MD5";
  AlgorithmHandle algorithm{EVP_MD_fetch(nullptr, name, nullptr)};
  if (!algorithm) throw std::runtime_error{std::string{"libcrypto offers no "} + name};
  return algorithm;
}

}  // namespace

bool holds_only_id_characters(std::string_view ids) {
  // An octet is below 0x21, or above 0x7E, if the sum or difference carries into its highest bit.
  constexpr std::uint64_t each = 0x0101010101010101, highest = 0x80 * each;
  std::uint64_t wrong = 0;
  while (ids.size() >= sizeof(std::uint64_t)) {
    std::uint64_t octets = 0;
    std::memcpy(&octets, ids.data(), sizeof octets);
    wrong |= ((octets - 0x21 * each) & ~octets) | (octets + 0x01 * each) | octets;
    ids.remove_prefix(sizeof octets);
  }
  return (wrong & highest) == 0 && std::ranges::all_of(ids, [](char c) {
    return c >= 0x21 && c <= 0x7e;
  });
}

bool is_valid_unique_id(std::string_view id) {
  return !id.empty() && id.size() <= longest_unique_id &&
         std::ranges::all_of(id, [](char c) { return c >= 0x21 && c <= 0x7E; });
}

struct UniqueIdMaker::State {
  explicit State(UniqueIdRecipe chosen)
      : recipe{chosen}, algorithm{fetch(chosen)}, named{algorithm.get()}, all{algorithm.get()} {}

  void native_line(std::string_view line);
  void begin_native_field(std::string_view line);
  void qpopper_line(std::string_view line);

  UniqueIdRecipe recipe;
  AlgorithmHandle algorithm;
  TextDigest named;  // the fields of the recipe
  TextDigest all;    // native: every line, until one of those fields shows up
  std::string separator;
  bool named_seen = false;
  bool in_named_field = false;
  bool in_bookkeeping = false;
};

UniqueIdMaker::UniqueIdMaker(UniqueIdRecipe recipe) : state_{std::make_unique<State>(recipe)} {}
UniqueIdMaker::UniqueIdMaker(UniqueIdMaker&&) noexcept = default;
UniqueIdMaker& UniqueIdMaker::operator=(UniqueIdMaker&&) noexcept = default;
UniqueIdMaker::~UniqueIdMaker() = default;

void UniqueIdMaker::begin(std::string_view separator) {
  State& s = *state_;
  s.named.begin();
  s.all.begin();
  s.named_seen = s.in_named_field = s.in_bookkeeping = false;
  if (s.recipe == UniqueIdRecipe::native) return;
  s.separator = separator;
  if (!separator.empty()) s.qpopper_line(s.separator);
}

void UniqueIdMaker::header_line(std::string_view line) {
  line = line.substr(0, longest_line);
  if (state_->recipe == UniqueIdRecipe::native) {
    state_->native_line(line);
  } else if (is_qpopper_line(line)) {
    state_->qpopper_line(line);
  }
}

std::string UniqueIdMaker::finish() {
  State& s = *state_;
  switch (s.recipe) {
    case UniqueIdRecipe::native:
      return in_hex((s.named_seen ? s.named : s.all).finish());
    case UniqueIdRecipe::qpopper:
      if (!s.separator.empty()) s.qpopper_line(s.separator);
      return base80(s.named.finish());
    case UniqueIdRecipe::qpopper_old:
      break;
  }
  return in_hex(s.named.finish());
}

void UniqueIdMaker::State::native_line(std::string_view line) {
  if (!is_continuation(line)) {
    begin_native_field(line);
    return;
  }
  if (in_bookkeeping || (named_seen && !in_named_field)) return;
  TextDigest& digest = in_named_field ? named : all;
  digest.add(line);
  digest.add('\n');
}

void UniqueIdMaker::State::begin_native_field(std::string_view line) {
  const std::string_view name = field_name(line);
  in_named_field = !name.empty() && is_native_field(name);
  in_bookkeeping = bookkeeping_of(bookkeeping_name(line)) != Bookkeeping::none;
  named_seen = named_seen || in_named_field;
  if (in_bookkeeping || (named_seen && !in_named_field)) return;
  TextDigest& digest = in_named_field ? named : all;
  if (name.empty()) {
    digest.add(line);
  } else {
    for (const char c : name) digest.add(lower(c));
    digest.add(line.substr(line.find(':', name.size())));
  }
  digest.add('\n');
}

void UniqueIdMaker::State::qpopper_line(std::string_view line) {
  line = line.substr(0, longest_line);
  for (const char c : line) named.add(c == '\0' ? ' ' : c);
  if (line.size() < longest_line) named.add('\n');
  named.add(std::string_view{});
}

std::string distinct_unique_id(std::string_view id, std::uint32_t occurrence) {
  const std::string suffix = "-" + std::to_string(occurrence);
  return std::string{id.substr(0, longest_unique_id - suffix.size())} + suffix;
}

}  // namespace pop
