#include "conf/complaint.h"

namespace pop {

std::string to_string(const Place& place) {
  std::string text = place.source;
  if (place.line != 0) text += ":" + std::to_string(place.line);
  if (place.column != 0) text += ":" + std::to_string(place.column);
  return text;
}

std::string to_string(const Complaint& complaint) {
  return to_string(complaint.place) + ": " + complaint.what;
}

}  // namespace pop
