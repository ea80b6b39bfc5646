#pragma once

#include <gmime/gmime.h>

#include <memory>

#include "base/error.h"

namespace pop {

/// What we use of GMime and GLib. They are no part of any program: most sessions never need them,
/// and every one would pay for loading them.
struct GmimeFunctions {
  decltype(::g_mime_init)* init = nullptr;
  decltype(::g_mime_content_type_parse)* parse_type = nullptr;
  decltype(::g_mime_content_type_get_media_type)* media_type = nullptr;
  decltype(::g_mime_content_type_get_media_subtype)* media_subtype = nullptr;
  decltype(::g_mime_content_type_get_parameter)* type_parameter = nullptr;
  decltype(::g_mime_content_disposition_parse)* parse_disposition = nullptr;
  decltype(::g_mime_content_disposition_get_disposition)* disposition = nullptr;
  decltype(::g_mime_content_disposition_get_parameter)* disposition_parameter = nullptr;
  decltype(::g_mime_utils_header_decode_text)* decode_text = nullptr;
  decltype(::g_mime_content_encoding_from_string)* encoding_named = nullptr;
  decltype(::g_mime_encoding_init_decode)* begin_decoding = nullptr;
  decltype(::g_mime_encoding_step)* decode = nullptr;
  decltype(::g_mime_iconv_open)* open_conversion = nullptr;
  decltype(::g_object_unref)* unref = nullptr;
  decltype(::g_free)* free = nullptr;
  decltype(::g_str_to_ascii)* to_ascii = nullptr;
};

/// Loads the library at the first call, and keeps it for the life of the process. Errc::usage when
/// it cannot be loaded. Not for several threads at once.
[[nodiscard]] Result<const GmimeFunctions*> load_gmime();

/// What GLib allocated.
struct GlibFree {
  decltype(::g_free)* free;
  void operator()(void* memory) const noexcept { free(memory); }
};
using GlibText = std::unique_ptr<char, GlibFree>;

struct GobjectUnref {
  decltype(::g_object_unref)* unref;
  void operator()(void* object) const noexcept { unref(object); }
};
template <class T>
using Gobject = std::unique_ptr<T, GobjectUnref>;

}  // namespace pop
