#pragma once

#include <string>
#include <string_view>

#include "mime/gmime_functions.h"
#include "mime/part_header.h"
#include "pop3/mangle_request.h"

namespace pop {

/// Undoes a transfer encoding as the content comes.
class TransferDecoder {
 public:
  TransferDecoder(const GmimeFunctions& gmime, GMimeContentEncoding encoding);
  /// Appends to `out`. A piece is at most one line.
  void decode(std::string_view piece, std::string& out);

 private:
  const GmimeFunctions& gmime_;
  GMimeEncoding state_{};
  bool passes_ = false;
  bool waits_for_begin_ = false;  // of a text in the manner of uuencode
};

/// A text part whose transfer encoding was undone, as the request wants it: UTF-8, in lines. One of
/// more than `most` octets is not whole; it is longer than that by no more than a few times what it
/// is made of.
[[nodiscard]] std::string readable_text(const GmimeFunctions& gmime, const PartHeader& part,
                                        std::string octets, const MangleRequest& request,
                                        std::size_t most);

}  // namespace pop
