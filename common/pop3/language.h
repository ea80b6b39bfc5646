#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pop {

/// One language of replies. They are made in English, and logged so; what a client gets is put into
/// its language last, where it is sent. So no reply is made twice, and one that crosses from
/// another process needs nothing but its text.
class Language {
 public:
  /// English: nothing is translated.
  Language(std::string tag, std::string name) : tag_{std::move(tag)}, name_{std::move(name)} {}

  /// From a compiled catalogue of gettext (.mo, UTF-8), whose messages are the texts of reply.cpp
  /// with "{}" where something is put in. Its header's X-Language-Name: is what the language calls
  /// itself. Errc::corrupt for what is no such catalogue, and where a translation has other "{}"
  /// than its text.
  [[nodiscard]] static Result<Language> from_catalogue(std::string tag, std::string_view catalogue);

  [[nodiscard]] const std::string& tag() const { return tag_; }  // RFC 5646
  [[nodiscard]] const std::string& name() const { return name_; }

  /// A whole reply with its first line's text in this language: status and response code stay, as
  /// do the parts that were put in, in their order, and everything after the first line. What has
  /// no translation stays as it is. At most 512 octets become of the line; a character is cut
  /// whole.
  [[nodiscard]] std::string translated(std::string_view reply) const;

 private:
  /// A text around what is put in, and what becomes of it.
  struct Message {
    std::vector<std::string> text, translation;  // one more than parts that are put in
    std::size_t known_octets = 0;                // of the text
  };
  [[nodiscard]] Result<void> add(std::string_view text, std::string_view translation);
  [[nodiscard]] std::optional<std::string> find(std::string_view text) const;
  [[nodiscard]] std::string text_in_this(std::string_view text) const;

  std::string tag_, name_;
  std::vector<Message> messages_;  // those that say most of a line first
};

/// What LANG can choose from.
class Languages {
 public:
  /// English as "en" and as "i-default" (RFC 2277).
  Languages();

  /// In the place of one with the same tag.
  void add(Language language);

  /// The language that a basic language range asks for (RFC 4647, by lookup: "de-AT" finds "de");
  /// "*" is English. nullptr: none, or it is no such range. Lives as long as this.
  [[nodiscard]] const Language* wanted(std::string_view range) const;
  /// The one with exactly this tag, or nullptr.
  [[nodiscard]] const Language* find(std::string_view tag) const;
  [[nodiscard]] const std::vector<Language>& all() const { return languages_; }

 private:
  std::vector<Language> languages_;
};

}  // namespace pop
