#include "client/lib/http_message.hpp"

#include <algorithm>
#include <charconv>
#include <cctype>

namespace sovirt::client {

namespace {

constexpr std::size_t longest_head = 64 * 1024;

bool token_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::uint64_t whole_number(std::string_view text, int base, const char* what) {
  std::uint64_t value = 0;
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size())
    throw ProtocolError(std::string("the server sent a wrong ") + what);
  return value;
}

}  // namespace

std::string HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

std::size_t ResponseParser::feed(std::string_view bytes) {
  const std::size_t given = bytes.size();
  if (given != 0) begun_ = true;
  while (!bytes.empty() && state_ != State::done) {
    if (state_ == State::length || state_ == State::chunk || state_ == State::until_close)
      take_body(bytes);
    else if (take_line(bytes))
      read_line();
  }
  return given - bytes.size();
}

bool ResponseParser::take_line(std::string_view& bytes) {
  const std::size_t end = bytes.find('\n');
  const std::size_t count = end == std::string_view::npos ? bytes.size() : end + 1;
  head_bytes_ += count;
  if (head_bytes_ > longest_head) throw ProtocolError("the server sent a head of more than 64 KiB");
  line_.append(bytes.substr(0, count));
  bytes.remove_prefix(count);
  if (end == std::string_view::npos) return false;
  if (line_.size() < 2 || line_[line_.size() - 2] != '\r') throw ProtocolError("the server ended a line without CR");
  line_.resize(line_.size() - 2);
  const bool control = std::any_of(line_.begin(), line_.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
  if (control) throw ProtocolError("the server sent a control byte in its head");
  return true;
}

void ResponseParser::read_line() {
  switch (state_) {
    case State::status: read_status(); break;
    case State::header: line_.empty() ? end_head() : read_header(); break;
    case State::chunk_size: read_chunk_size(); break;
    case State::chunk_end:
      if (!line_.empty()) throw ProtocolError("the server sent a chunk longer than it said");
      state_ = State::chunk_size;
      head_bytes_ = 0;
      break;
    case State::trailer:
      if (line_.empty()) state_ = State::done;
      break;
    default: break;
  }
  line_.clear();
}

void ResponseParser::read_status() {
  const std::string_view line = line_;
  const bool shaped = line.size() >= 12 && line.substr(0, 7) == "HTTP/1." && (line[7] == '0' || line[7] == '1') &&
                      line[8] == ' ' && (line.size() == 12 || line[12] == ' ');
  if (!shaped) throw ProtocolError("the server does not speak HTTP/1.1");
  response_ = HttpResponse{};
  response_.status = static_cast<int>(whole_number(line.substr(9, 3), 10, "status"));
  if (response_.status < 100 || response_.status > 599) throw ProtocolError("the server sent a wrong status");
  response_.keep_alive = line[7] == '1';
  state_ = State::header;
}

void ResponseParser::read_header() {
  const std::size_t colon = line_.find(':');
  const bool name_fits = colon != std::string::npos && colon != 0 &&
                         std::all_of(line_.begin(), line_.begin() + static_cast<std::ptrdiff_t>(colon), token_char);
  if (!name_fits) throw ProtocolError("the server sent a malformed header");
  response_.headers.emplace_back(lower(std::string_view(line_).substr(0, colon)),
                                 std::string(trimmed(std::string_view(line_).substr(colon + 1))));
}

void ResponseParser::end_head() {
  std::vector<std::string> lengths, codings;
  for (const auto& [name, value] : response_.headers) {
    if (name == "content-length") lengths.push_back(value);
    if (name == "transfer-encoding") codings.push_back(lower(value));
    if (name == "connection" && lower(value) == "close") response_.keep_alive = false;
  }
  if (lengths.size() + codings.size() > 1) throw ProtocolError("the server sent more than one length");
  if (response_.status < 200) {  // 100 Continue and its like: the answer is still to come
    state_ = State::status;
    return;
  }
  if (response_.status == 204 || response_.status == 304) {
    state_ = State::done;
  } else if (!codings.empty()) {
    if (codings.front() != "chunked") throw ProtocolError("the server used an unknown transfer coding");
    state_ = State::chunk_size;
    head_bytes_ = 0;
  } else if (!lengths.empty()) {
    left_ = whole_number(lengths.front(), 10, "Content-Length");
    state_ = left_ == 0 ? State::done : State::length;
  } else {
    response_.keep_alive = false;
    state_ = State::until_close;
  }
}

void ResponseParser::read_chunk_size() {
  const std::string_view line = line_;
  left_ = whole_number(trimmed(line.substr(0, line.find(';'))), 16, "chunk size");
  head_bytes_ = 0;
  state_ = left_ == 0 ? State::trailer : State::chunk;
}

void ResponseParser::take_body(std::string_view& bytes) {
  const std::size_t count =
      state_ == State::until_close ? bytes.size() : static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  const std::string_view part = bytes.substr(0, count);
  bytes.remove_prefix(count);
  if (state_ != State::until_close) {
    left_ -= count;
    if (left_ == 0) state_ = state_ == State::chunk ? State::chunk_end : State::done;
  }
  sink_(part);
}

void ResponseParser::end_of_stream() {
  if (state_ == State::until_close) state_ = State::done;
  if (state_ != State::done) throw ProtocolError("the server closed the connection in the middle of its answer");
}

}  // namespace sovirt::client
