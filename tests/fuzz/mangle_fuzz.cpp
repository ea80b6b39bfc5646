// A message as clients without MIME get it. The first line is what the client asks for, as a
// request and as a macro; the second octet of the rest says how it is cut. Wherever it is cut the
// same comes out, with a header of its own and with the charset that was asked for.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "mime/html_text.h"
#include "mime/mime_flattener.h"
#include "pop3/macros.h"
#include "pop3/mangle_request.h"
#include "support/fuzz_require.h"

using namespace pop;
using pop::test::fuzz_require;

namespace {

void check_macro(std::string_view definition) {
  Macros macros;
  const auto name = macros.define(definition);
  if (!name) return;
  fuzz_require(definition.size() <= Macros::longest_definition, "a long macro is refused");
  fuzz_require(!macros.expanded(*name).empty(), "a macro stands for something");
  fuzz_require(macros.expanded("1") == "1", "a number stands for itself");
}

MangleRequest request_of(std::string_view word) {
  if (!is_mangle_word(word)) return {};
  return parse_mangle_request(word).value_or(MangleRequest{});
}

std::string flat(std::string_view message, const MangleRequest& request, std::size_t piece) {
  Result<MimeFlattener> flattener = MimeFlattener::make(request);
  fuzz_require(flattener.has_value(), "GMime is installed");
  while (!message.empty()) {
    const std::string_view part = message.substr(0, piece);
    flattener->feed(part);
    message.remove_prefix(part.size());
  }
  return flattener->finish();
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

void check_text(std::string_view text, const MangleRequest& request) {
  const std::size_t end = text.find("\n\n");
  fuzz_require(end != std::string_view::npos, "the header ends");
  const std::string_view header = text.substr(0, end + 1);
  fuzz_require(header.find("Mime-version: 1.0\nContent-Type: text/") != std::string_view::npos,
               "the header says what follows");
  fuzz_require(text.find('\0') == std::string_view::npos, "there is no NUL");
  fuzz_require(header.find('\r') == std::string_view::npos, "no field brings a line of its own");
  fuzz_require(request.charset != "us-ascii" || is_ascii(text), "ASCII is ASCII");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  const std::size_t end = std::min(input.find('\n'), input.size());
  const std::string_view word = input.substr(0, end);
  const std::string_view message = input.substr(std::min(end + 1, input.size()));
  check_macro(word);
  const MangleRequest request = request_of(word);
  const std::string whole = flat(message, request, message.size() + 1);
  check_text(whole, request);
  const std::size_t piece = message.size() > 1 ? 1U + static_cast<unsigned char>(message[1]) : 1U;
  fuzz_require(flat(message, request, piece) == whole, "where it is cut does not matter");
  (void)text_of_html(message, request.wrap);
  return 0;
}
