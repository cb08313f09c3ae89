#include "engine/server/listening.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <memory>
#include <regex>

#include "base/fd.h"

namespace cotenant {

bool is_listening(const std::string& url) {
  static const std::regex form(R"((https?)://(\[([^\]]*)\]|[^:/]+)(:([0-9]+))?.*)");
  std::smatch parts;
  if (!std::regex_match(url, parts, form)) return false;
  const std::string host = parts[3].matched ? parts[3].str() : parts[2].str();
  const std::string port = parts[5].matched ? parts[5].str() : parts[1].str() == "https" ? "443" : "80";
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return false;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const Fd socket(::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol));
    const timeval patience{.tv_sec = 1, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::connect(socket.get(), one->ai_addr, one->ai_addrlen) == 0) return true;
  }
  return false;
}

}  // namespace cotenant
