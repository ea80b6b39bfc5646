#include "mime/charset_text.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <ranges>

namespace pop {
namespace {

// Names as messages have them, in lower case. Those of which nothing is left to convert come first.
constexpr std::array<std::string_view, 3> of_ascii{"us-ascii", "ascii", "ansi_x3.4-1968"};
constexpr std::array<std::string_view, 3> of_utf8{"utf-8", "utf8", "unicode-1-1-utf-8"};
constexpr std::array<std::string_view, 6> of_windows{"iso-8859-1",   "iso8859-1", "latin1",
                                                     "windows-1252", "cp1252",    "x-cp1252"};
constexpr auto convertible = std::to_array<std::string_view>(
    {"iso-8859-2",   "iso-8859-3",    "iso-8859-4",   "iso-8859-5",     "iso-8859-6",
     "iso-8859-6-i", "iso-8859-7",    "iso-8859-8",   "iso-8859-8-i",   "iso-8859-8-e",
     "iso-8859-9",   "iso-8859-9e",   "iso-8859-10",  "iso-8859-11",    "iso-8859-13",
     "iso-8859-14",  "iso-8859-15",   "iso-8859-16",  "iso8859-2",      "iso8859-15",
     "latin2",       "latin-9",       "windows-1250", "windows-1251",   "windows-1253",
     "windows-1254", "windows-1255",  "windows-1256", "windows-1257",   "windows-1258",
     "windows-874",  "windows-31j",   "windows-949",  "cp1250",         "cp1251",
     "cp1253",       "cp1254",        "cp1255",       "cp1256",         "cp1257",
     "cp1258",       "cp437",         "cp850",        "cp852",          "cp866",
     "cp874",        "cp932",         "cp936",        "cp949",          "cp950",
     "ibm437",       "ibm850",        "ibm852",       "ibm866",         "koi8-r",
     "koi8-u",       "macintosh",     "tis-620",      "viscii",         "iso-2022-jp",
     "iso_2022-jp",  "iso-2022-jp-1", "euc-jp",       "shift_jis",      "shift-jis",
     "x-sjis",       "iso-2022-kr",   "euc-kr",       "ks_c_5601-1987", "gb2312",
     "gbk",          "gb18030",       "big5",         "big5-hkscs",     "utf-7",
     "utf-16",       "utf-16be",      "utf-16le"});

constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD

// 0x80 to 0x9f of windows-1252; 0: nothing has this place.
constexpr std::array<char32_t, 32> windows_1252{
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178};

template <class List>
bool has(const List& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

unsigned octet_at(std::string_view text, std::size_t place) {
  return place < text.size() ? static_cast<unsigned char>(text[place]) : 0U;
}

/// Octets of the character at the beginning (RFC 3629 section 4); 0: it is none.
std::size_t character_size(std::string_view text) {
  const unsigned first = octet_at(text, 0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  for (std::size_t i = 1; i < size; ++i) {
    if ((octet_at(text, i) & 0xc0U) != 0x80) return 0;
  }
  const unsigned second = octet_at(text, 1);
  const bool is_wrong = (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) ||
                        (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90);
  return is_wrong ? 0 : size;
}

char32_t character_in(std::string_view whole) {
  if (whole.size() == 1) return octet_at(whole, 0);
  char32_t character = octet_at(whole, 0) & (0xffU >> (whole.size() + 1));
  for (std::size_t i = 1; i < whole.size(); ++i) {
    character = character << 6 | (octet_at(whole, i) & 0x3fU);
  }
  return character;
}

bool is_unwanted(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return (octet < 0x20 && c != '\t' && c != '\n' && c != '\f') || octet == 0x7f;
}

bool is_plain(std::string_view text) {
  return std::ranges::none_of(
      text, [](char c) { return static_cast<unsigned char>(c) >= 0x80 || is_unwanted(c); });
}

std::string cleaned(std::string text) {
  if (is_plain(text)) return text;
  std::string clean;
  clean.reserve(text.size());
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t size = character_size(rest);
    if (size > 1) {
      clean += rest.substr(0, size);
    } else if (size == 0) {
      append_character(clean, windows_1252_character(static_cast<unsigned char>(rest.front())));
    } else if (!is_unwanted(rest.front())) {
      clean += rest.front();
    }
    rest.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return clean;
}

std::string from_windows_1252(std::string_view octets) {
  std::string text;
  text.reserve(octets.size());
  for (const char c : octets) {
    if (!is_unwanted(c))
      append_character(text, windows_1252_character(static_cast<unsigned char>(c)));
  }
  return text;
}

/// Of the C library, by the names that GMime knows.
class Conversion {
 public:
  Conversion(const GmimeFunctions& gmime, const char* to, const char* from)
      : handle_{gmime.open_conversion(to, from)} {}
  Conversion(const Conversion&) = delete;
  Conversion& operator=(const Conversion&) = delete;
  ~Conversion() {
    if (is_open()) ::iconv_close(handle_);
  }
  [[nodiscard]] bool is_open() const { return handle_ != reinterpret_cast<iconv_t>(-1); }

  /// Converts as much as it can; what is left of `in` begins with what it could not. False: there
  /// is something left.
  bool convert(std::string_view& in, std::string& out) {
    std::array<char, 4096> room;
    std::size_t status = 0;
    do {
      char* from = const_cast<char*>(in.data());
      char* to = room.data();
      std::size_t from_left = in.size(), to_left = room.size();
      status = ::iconv(handle_, &from, &from_left, &to, &to_left);
      const int saved = errno;
      out.append(room.data(), to);
      in.remove_prefix(in.size() - from_left);
      if (status == static_cast<std::size_t>(-1) && saved != E2BIG) return false;
    } while (!in.empty());
    return true;
  }
  /// Back to the state that a text begins in.
  void finish(std::string& out) {
    std::array<char, 32> room;
    char* to = room.data();
    std::size_t to_left = room.size();
    ::iconv(handle_, nullptr, nullptr, &to, &to_left);
    out.append(room.data(), to);
  }

 private:
  iconv_t handle_;
};

std::optional<std::string> converted_to_utf8(const GmimeFunctions& gmime, std::string_view octets,
                                             std::string_view charset) {
  Conversion conversion{gmime, "UTF-8", std::string{charset}.c_str()};
  if (!conversion.is_open()) return std::nullopt;
  std::string text;
  text.reserve(octets.size());
  while (!conversion.convert(octets, text) && !octets.empty()) {
    text += replacement;
    octets.remove_prefix(1);
  }
  return text;
}

void append_missing(const GmimeFunctions& gmime, std::string_view character, Missing missing,
                    std::string& out) {
  if (missing == Missing::reference) {
    out += "&#" + std::to_string(static_cast<std::uint32_t>(character_in(character))) + ";";
    return;
  }
  const GlibText similar{gmime.to_ascii(std::string{character}.c_str(), "C"), {gmime.free}};
  out += similar && *similar != '\0' ? similar.get() : "?";
}

std::string to_ascii(const GmimeFunctions& gmime, std::string_view text, Missing missing) {
  std::string ascii;
  ascii.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = std::max<std::size_t>(character_size(text), 1);
    if (size == 1) {
      ascii += text.front();
    } else {
      append_missing(gmime, text.substr(0, size), missing, ascii);
    }
    text.remove_prefix(size);
  }
  return ascii;
}

}  // namespace

bool is_known_charset(std::string_view name) {
  return has(of_ascii, name) || has(of_utf8, name) || has(of_windows, name) ||
         has(convertible, name);
}

char32_t windows_1252_character(unsigned char octet) {
  if (octet < 0x80 || octet >= 0xa0) return octet;
  const char32_t character = windows_1252[octet - 0x80U];
  return character == 0 ? U'\ufffd' : character;
}

void append_character(std::string& text, char32_t character) {
  const auto low_bits = [character](unsigned shift) {
    return static_cast<char>(0x80U | (character >> shift & 0x3fU));
  };
  if (character < 0x80) {
    text += static_cast<char>(character);
  } else if (character < 0x800) {
    text += static_cast<char>(0xc0U | character >> 6);
    text += low_bits(0);
  } else if (character < 0x10000) {
    if (character >= 0xd800 && character < 0xe000) return;
    text += static_cast<char>(0xe0U | character >> 12);
    text += low_bits(6);
    text += low_bits(0);
  } else if (character < 0x110000) {
    text += static_cast<char>(0xf0U | character >> 18);
    text += low_bits(12);
    text += low_bits(6);
    text += low_bits(0);
  }
}

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80; }));
}

std::string to_utf8(const GmimeFunctions& gmime, std::string octets, std::string_view charset) {
  if (has(of_windows, charset)) return from_windows_1252(octets);
  if (has(convertible, charset)) {
    std::optional<std::string> text = converted_to_utf8(gmime, octets, charset);
    if (text) return cleaned(*std::move(text));
  }
  return cleaned(std::move(octets));
}

std::string from_utf8(const GmimeFunctions& gmime, std::string text, std::string_view charset,
                      Missing missing) {
  if (has(of_utf8, charset)) return text;
  if (has(of_ascii, charset)) return to_ascii(gmime, text, missing);
  const std::string name{charset == "iso_2022-jp" ? "iso-2022-jp" : charset};
  Conversion conversion{gmime, name.c_str(), "UTF-8"};
  if (!conversion.is_open()) return to_ascii(gmime, text, missing);
  std::string out;
  out.reserve(text.size());
  std::string_view rest = text;
  while (!conversion.convert(rest, out) && !rest.empty()) {
    const std::size_t size = std::max<std::size_t>(character_size(rest), 1);
    std::string similar;
    append_missing(gmime, rest.substr(0, size), missing, similar);
    std::string_view in_ascii = similar;  // every target has it
    (void)conversion.convert(in_ascii, out);
    rest.remove_prefix(size);
  }
  conversion.finish(out);
  return out;
}

}  // namespace pop
