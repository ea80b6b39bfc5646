#include "mime/gmime_functions.h"

#include <utility>

#include "base/shared_library.h"

namespace pop {
namespace {

constexpr const char* library_file = "libgmime-3.0.so.0";

bool find_all(const SharedLibrary& file, GmimeFunctions& call) {
  return file.find("g_mime_init", call.init) &&
         file.find("g_mime_content_type_parse", call.parse_type) &&
         file.find("g_mime_content_type_get_media_type", call.media_type) &&
         file.find("g_mime_content_type_get_media_subtype", call.media_subtype) &&
         file.find("g_mime_content_type_get_parameter", call.type_parameter) &&
         file.find("g_mime_content_disposition_parse", call.parse_disposition) &&
         file.find("g_mime_content_disposition_get_disposition", call.disposition) &&
         file.find("g_mime_content_disposition_get_parameter", call.disposition_parameter) &&
         file.find("g_mime_utils_header_decode_text", call.decode_text) &&
         file.find("g_mime_content_encoding_from_string", call.encoding_named) &&
         file.find("g_mime_encoding_init_decode", call.begin_decoding) &&
         file.find("g_mime_encoding_step", call.decode) &&
         file.find("g_mime_iconv_open", call.open_conversion) &&
         file.find("g_object_unref", call.unref) && file.find("g_free", call.free) &&
         file.find("g_str_to_ascii", call.to_ascii);
}

struct LoadedGmime {
  SharedLibrary file;
  GmimeFunctions functions;
};

Result<LoadedGmime> load() {
  Result<SharedLibrary> file = SharedLibrary::load(library_file);
  if (!file) return fail(Errc::usage, std::move(file).error().text);
  GmimeFunctions functions;
  if (!find_all(*file, functions)) {
    return fail(Errc::usage, std::string{library_file} + ": not the version that is needed");
  }
  functions.init();
  return LoadedGmime{*std::move(file), functions};
}

}  // namespace

Result<const GmimeFunctions*> load_gmime() {
  static const Result<LoadedGmime> loaded = load();
  if (!loaded) return std::unexpected(loaded.error());
  return &loaded->functions;
}

}  // namespace pop
