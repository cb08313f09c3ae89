#pragma once

#include <cstdint>
#include <string>

namespace cotenant {

// Why a request got no answer, or none that counts.
enum class Fault : uint16_t {
  none,
  unreachable,   // no connection, or it broke before any answer
  timeout,       // no end within the tenant's timeout_s
  closed_early,  // the answer broke off
  malformed,     // what came is no answer of the protocol
  said,          // an error inside an answer that began well
  empty,         // an answer without a token
  endless,       // more than was asked for
  tls,           // the server's certificate was not accepted
  other,
  first_status = 100,  // from here on: the HTTP status of a refusal
  last_status = 599,
};

// "HTTP 429", "timeout". What no engine makes is "other".
inline std::string to_text(Fault fault) {
  switch (fault) {
    case Fault::none:
      return "";
    case Fault::unreachable:
      return "unreachable";
    case Fault::timeout:
      return "timeout";
    case Fault::closed_early:
      return "closed early";
    case Fault::malformed:
      return "malformed answer";
    case Fault::said:
      return "error in the answer";
    case Fault::empty:
      return "empty answer";
    case Fault::endless:
      return "endless answer";
    case Fault::tls:
      return "bad certificate";
    default:
      break;
  }
  if (fault >= Fault::first_status && fault <= Fault::last_status)
    return "HTTP " + std::to_string(static_cast<uint16_t>(fault));
  return "other";
}

}  // namespace cotenant
