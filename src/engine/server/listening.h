#pragma once

#include <string>

namespace cotenant {

// Whether somebody takes connections at the host and port of a URL, now; false as well where that cannot be told.
bool is_listening(const std::string& url);

}  // namespace cotenant
