#include <gtest/gtest.h>

#include "http_client.hpp"

// Bytes in, status and problem code out: what no proxy, no client and nobody with a socket may get wrong with.
namespace sovirt::test {
namespace {

struct Case {
  const char* name;
  std::string bytes;
  int status;
  const char* code;    // "": no problem
  bool closes;         // must the connection end after it?
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

const std::string host = "Host: localhost\r\n";
const std::string json = "Content-Type: application/json\r\n";

std::string get(const std::string& target, const std::string& headers = host) { return "GET " + target + " HTTP/1.1\r\n" + headers + "\r\n"; }
std::string put(const std::string& headers, const std::string& body) {
  return "PUT /v1/bridges/br0 HTTP/1.1\r\n" + host + headers + "\r\n" + body;
}
std::string repeat(const std::string& text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

std::vector<Case> framing_cases() {
  const std::string chunked = json + "Transfer-Encoding: chunked\r\n";
  return {
      {"LengthAndChunked", put(json + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "{}"), 400, "malformed", true},
      {"ChunkedAndLength", put(json + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "0\r\n\r\n"), 400, "malformed", true},
      {"TwoLengths", put(json + "Content-Length: 2\r\nContent-Length: 3\r\n", "{} "), 400, "malformed", true},
      {"TwoEqualLengths", put(json + "Content-Length: 2\r\nContent-Length: 2\r\n", "{}"), 400, "malformed", true},
      {"LengthList", put(json + "Content-Length: 2, 2\r\n", "{}"), 400, "malformed", true},
      {"LengthPlus", put(json + "Content-Length: +2\r\n", "{}"), 400, "malformed", true},
      {"LengthNegative", put(json + "Content-Length: -2\r\n", "{}"), 400, "malformed", true},
      {"LengthHex", put(json + "Content-Length: 0x2\r\n", "{}"), 400, "malformed", true},
      {"LengthEmpty", put(json + "Content-Length:\r\n", "{}"), 400, "malformed", true},
      {"LengthBlankInside", put(json + "Content-Length: 1 2\r\n", "{}"), 400, "malformed", true},
      {"LengthOverflow", put(json + "Content-Length: 99999999999999999999\r\n", "{}"), 400, "malformed", true},
      {"LengthTooLarge", put(json + "Content-Length: 1048577\r\n", ""), 413, "too-large", true},
      {"LengthHuge", put(json + "Content-Length: 999999999999999999\r\n", ""), 413, "too-large", true},
      {"EncodingUnknown", put(json + "Transfer-Encoding: gzip\r\n", ""), 400, "malformed", true},
      {"EncodingStack", put(json + "Transfer-Encoding: gzip, chunked\r\n", ""), 400, "malformed", true},
      {"EncodingChunkedTwice", put(json + "Transfer-Encoding: chunked, chunked\r\n", ""), 400, "malformed", true},
      {"EncodingTwoLines", put(chunked + "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400, "malformed", true},
      {"EncodingTwoLinesMixed", put(chunked + "Transfer-Encoding: identity\r\n", "0\r\n\r\n"), 400, "malformed", true},
      {"EncodingXchunked", put(json + "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400, "malformed", true},
      {"EncodingQuoted", put(json + "Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), 400, "malformed", true},
      {"EncodingBlankBeforeColon", put(json + "Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400, "malformed", true},
      {"EncodingInHttp10", "PUT /v1/bridges/br0 HTTP/1.0\r\n" + chunked + "\r\n2\r\n{}\r\n0\r\n\r\n", 400, "malformed", true},
      {"EncodingVerticalTab", put(json + "Transfer-Encoding: \x0b" "chunked\r\n", "0\r\n\r\n"), 400, "malformed", true},
      {"ChunkedGood", put(chunked, "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), 201, "", false},
      {"ChunkedUpperCase", put(json + "TRANSFER-ENCODING: Chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), 201, "", false},
      {"ChunkExtension", put(chunked, "2;a=b\r\n{}\r\n0\r\n\r\n"), 201, "", false},
      {"ChunkTrailer", put(chunked, "2\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n"), 201, "", false},
      {"ChunkTrailerLength", put(chunked, "2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"), 400, "malformed", true},
      {"ChunkSizeNotHex", put(chunked, "zz\r\n{}\r\n0\r\n\r\n"), 400, "malformed", true},
      {"ChunkSizeNegative", put(chunked, "-2\r\n{}\r\n0\r\n\r\n"), 400, "malformed", true},
      {"ChunkSizePrefixed", put(chunked, "0x2\r\n{}\r\n0\r\n\r\n"), 400, "malformed", true},
      {"ChunkSizeOverflow", put(chunked, "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"), 400, "malformed", true},
      {"ChunkSizeTooLarge", put(chunked, "100001\r\n"), 413, "too-large", true},
      {"ChunkSizeEmpty", put(chunked, "\r\n{}\r\n0\r\n\r\n"), 400, "malformed", true},
      {"ChunkWithoutItsEnd", put(chunked, "2\r\n{}X\r\n0\r\n\r\n"), 400, "malformed", true},
      {"ChunkBareLf", put(chunked, "2\n{}\n0\n\n"), 400, "malformed", true},
      {"ChunkLineEndless", put(chunked, "1;" + repeat("a", 20000)), 400, "malformed", true},
      {"TrailerEndless", put(chunked, "0\r\n" + repeat("X-Trailer: aaaaaaaaaaaaaaaaaa\r\n", 1000)), 400, "malformed", true},
  };
}

std::vector<Case> head_cases() {
  return {
      {"Good", get("/healthz"), 200, "", false},
      {"LeadingEmptyLine", "\r\n" + get("/healthz"), 200, "", false},
      {"NoHost", get("/healthz", ""), 400, "malformed", true},
      {"TwoHosts", get("/healthz", "Host: a\r\nHost: b\r\n"), 400, "malformed", true},
      {"TwoEqualHosts", get("/healthz", "Host: a\r\nHost: a\r\n"), 400, "malformed", true},
      {"HostWithSlash", get("/healthz", "Host: a/b\r\n"), 400, "malformed", true},
      {"HostWithBlank", get("/healthz", "Host: a b\r\n"), 400, "malformed", true},
      {"HostEmpty", get("/healthz", "Host:\r\n"), 200, "", false},
      {"Folded", get("/healthz", host + "X-A: 1\r\n 2\r\n"), 400, "malformed", true},
      {"FoldedByTab", get("/healthz", host + "X-A: 1\r\n\t2\r\n"), 400, "malformed", true},
      {"FoldedFirst", "GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n", 400, "malformed", true},
      {"BlankBeforeColon", get("/healthz", host + "X-A : 1\r\n"), 400, "malformed", true},
      {"NoColon", get("/healthz", host + "X-A\r\n"), 400, "malformed", true},
      {"EmptyFieldName", get("/healthz", host + ": 1\r\n"), 400, "malformed", true},
      {"FieldNameWithBrackets", get("/healthz", host + "X[A]: 1\r\n"), 400, "malformed", true},
      {"ControlInValue", get("/healthz", host + "X-A: \x01\r\n"), 400, "malformed", true},
      {"NulInValue", get("/healthz", host + std::string{"X-A: \0\r\n", 8}), 400, "malformed", true},
      {"BareLf", "GET /healthz HTTP/1.1\nHost: a\n\n", 400, "malformed", true},
      {"BareLfInside", "GET /healthz HTTP/1.1\r\nHost: a\nX-A: 1\r\n\r\n", 400, "malformed", true},
      {"BareCr", "GET /healthz HTTP/1.1\r\nHost: a\rX-A: 1\r\n\r\n", 400, "malformed", true},
      {"Http09", "GET /healthz\r\n", 400, "malformed", true},
      {"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "malformed", true},
      {"Http20", "GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n", 400, "malformed", true},
      {"Http12", "GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n", 400, "malformed", true},
      {"HttpLower", "GET /healthz http/1.1\r\nHost: a\r\n\r\n", 400, "malformed", true},
      {"HttpNoVersion", "GET /healthz HTTP/\r\nHost: a\r\n\r\n", 400, "malformed", true},
      {"TwoBlanks", "GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed", true},
      {"BlankInTarget", "GET /healthz x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed", true},
      {"TabInRequestLine", "GET\t/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed", true},
      {"LeadingBlank", " GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed", true},
      {"MethodNotToken", "G(T /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed", true},
      {"Tls", std::string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11}, 400, "malformed", true},
      {"Http10", "GET /healthz HTTP/1.0\r\n\r\n", 200, "", true},
      {"Http10KeepAlive", "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "", true},
      {"ConnectionClose", get("/healthz", host + "Connection: close\r\n"), 200, "", true},
      {"HeaderTooLarge", get("/healthz", host + "X-A: " + repeat("a", 17000) + "\r\n"), 431, "header-too-large", true},
      {"TargetTooLarge", get("/" + repeat("a", 17000)), 431, "header-too-large", true},
      {"HeaderNeverEnds", "GET /healthz HTTP/1.1\r\n" + repeat("X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 600), 431, "header-too-large", true},
      {"TooManyFields", get("/healthz", host + repeat("A: 1\r\n", 101)), 431, "header-too-large", true},
      {"TwoContentTypes", put(json + json + "Content-Length: 2\r\n", "{}"), 400, "malformed", true},
      {"ExpectUnknown", put(json + "Expect: 200-ok\r\nContent-Length: 2\r\n", "{}"), 417, "expectation-failed", false},
  };
}

std::vector<Case> target_cases() {
  return {
      {"AbsoluteForm", get("http://localhost/healthz"), 200, "", false},
      {"AbsoluteFormWithoutPath", get("http://localhost"), 404, "not-found", false},
      {"AbsoluteFormOther", get("ftp://localhost/healthz"), 400, "malformed", false},
      {"AuthorityForm", get("localhost:80"), 400, "malformed", false},
      {"Connect", "CONNECT localhost:80 HTTP/1.1\r\n" + host + "\r\n", 400, "malformed", false},
      {"Asterisk", get("*"), 400, "malformed", false},
      {"OptionsAsterisk", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 204, "", false},
      {"Options", "OPTIONS /v1/bridges HTTP/1.1\r\n" + host + "\r\n", 204, "", false},
      {"OptionsUnknown", "OPTIONS /v1/x HTTP/1.1\r\n" + host + "\r\n", 404, "not-found", false},
      {"Fragment", get("/healthz#x"), 400, "malformed", false},
      {"Backslash", get("/v1\\host"), 400, "malformed", false},
      {"HighByte", get("/v1/bridges/\xc3\xa4"), 400, "malformed", true},
      {"Delete", get("/v1/bridges/\x7f"), 400, "malformed", true},
      {"Unknown", get("/v1/bananas"), 404, "not-found", false},
      {"Root", get("/"), 404, "not-found", false},
      {"DoubleSlash", get("//healthz"), 404, "not-found", false},
      {"Dot", get("/v1/./host"), 404, "not-found", false},
      {"DotDot", get("/v1/bridges/.."), 400, "bad-name", false},
      {"DotDotEncoded", get("/v1/bridges/%2e%2e"), 400, "bad-name", false},
      {"LiteralEncoded", get("/v1/%68ost"), 404, "not-found", false},
      {"EmptyName", get("/v1/bridges/"), 400, "bad-name", false},
      {"NameUpperCase", get("/v1/bridges/BR0"), 400, "bad-name", false},
      {"NameTooLong", get("/v1/bridges/abcdefghijklmnop"), 400, "bad-name", false},
      {"NameDash", get("/v1/bridges/-x"), 400, "bad-name", false},
      {"NamePercent", get("/v1/bridges/br%25d"), 400, "bad-name", false},
      {"NameUnicode", get("/v1/bridges/%c3%a4"), 400, "bad-name", false},
      {"NameNotUtf8", get("/v1/bridges/%ff"), 400, "bad-name", false},
      {"NameNul", get("/v1/bridges/br%00"), 400, "bad-name", false},
      {"NameSlash", get("/v1/bridges/a%2fb"), 400, "bad-name", false},
      {"NameBadEscape", get("/v1/bridges/br%zz"), 400, "bad-name", false},
      {"NameShortEscape", get("/v1/bridges/br%2"), 400, "bad-name", false},
      {"NameAbsent", get("/v1/bridges/absent"), 404, "not-found", false},
      {"QueryUnknown", get("/v1/bridges?bananas=1"), 400, "bad-query", false},
      {"QueryTwice", get("/v1/bridges?limit=1&limit=2"), 400, "bad-query", false},
      {"QueryLabelTwice", get("/v1/bridges?label=a:b&label=c:d"), 200, "", false},
      {"QueryLabelBad", get("/v1/bridges?label=a"), 400, "bad-query", false},
      {"QueryLimitZero", get("/v1/bridges?limit=0"), 400, "bad-query", false},
      {"QueryLimitMany", get("/v1/bridges?limit=1001"), 400, "bad-query", false},
      {"QueryLimitText", get("/v1/bridges?limit=ten"), 400, "bad-query", false},
      {"QueryBadEscape", get("/v1/bridges?name=%g0"), 400, "bad-query", false},
      {"QueryNoKey", get("/v1/bridges?=1"), 400, "bad-query", false},
      {"QueryOnNothing", get("/healthz?x"), 400, "bad-query", false},
      {"MethodWrong", "DELETE /v1/bridges HTTP/1.1\r\n" + host + "\r\n", 405, "method-not-allowed", false},
      {"MethodUnknown", "BREW /v1/bridges HTTP/1.1\r\n" + host + "\r\n", 405, "method-not-allowed", false},
      {"MethodLowerCase", "get /v1/bridges HTTP/1.1\r\n" + host + "\r\n", 405, "method-not-allowed", false},
      {"MethodTrace", "TRACE /v1/bridges HTTP/1.1\r\n" + host + "\r\n", 405, "method-not-allowed", false},
      {"UnknownMethodUnknownPath", "BREW /coffee HTTP/1.1\r\n" + host + "\r\n", 404, "not-found", false},
  };
}

std::vector<Case> body_cases() {
  const auto sized = [](const std::string& body, const std::string& headers = json) {
    return put(headers + "Content-Length: " + std::to_string(body.size()) + "\r\n", body);
  };
  return {
      {"Put", sized("{}"), 201, "", false},
      {"PutNoBody", put("", ""), 400, "malformed", false},
      {"PutLengthZero", put(json + "Content-Length: 0\r\n", ""), 400, "malformed", false},
      {"PutNoType", sized("{}", ""), 415, "unsupported-media-type", false},
      {"PutForm", sized("{}", "Content-Type: application/x-www-form-urlencoded\r\n"), 415, "unsupported-media-type", false},
      {"PutMergePatch", sized("{}", "Content-Type: application/merge-patch+json\r\n"), 415, "unsupported-media-type", false},
      {"PutUtf8", sized("{}", "Content-Type: Application/JSON; charset=UTF-8\r\n"), 201, "", false},
      {"PutLatin1", sized("{}", "Content-Type: application/json; charset=iso-8859-1\r\n"), 415, "unsupported-media-type", false},
      {"PutGzip", sized("{}", json + "Content-Encoding: gzip\r\n"), 415, "unsupported-media-type", false},
      {"PutNotJson", sized("{"), 400, "malformed", false},
      {"PutTrailing", sized("{} {}"), 400, "malformed", false},
      {"PutNotUtf8", sized("{\"mtu\":\"\xff\"}"), 400, "malformed", false},
      {"PutDuplicateKey", sized(R"({"mtu":1,"mtu":2})"), 400, "malformed", false},
      {"PutNul", sized(R"({"mac":"a\u0000b"})"), 400, "malformed", false},
      {"PutDeep", sized(R"({"a":)" + repeat("[", 40) + repeat("]", 40) + "}"), 400, "malformed", false},
      {"PutDeepest", sized(repeat("[", 100000)), 400, "malformed", false},
      {"PutNumberOutOfRange", sized(R"({"mtu":1e999})"), 400, "malformed", false},
      {"PutArray", sized("[]"), 422, "invalid", false},
      {"PutNull", sized("null"), 422, "invalid", false},
      {"PutOtherName", sized(R"({"name":"br1"})"), 422, "invalid", false},
      {"PutUnknownField", sized(R"({"bad":1})"), 422, "invalid", false},
      {"PutDiskFull", sized(R"({"full":1})"), 507, "disk-full", false},
      {"PutBadLabels", sized(R"({"labels":{"a":1}})"), 422, "invalid", false},
      {"PutNotAcceptable", sized("{}", json + "Accept: text/html\r\n"), 406, "not-acceptable", false},
      {"AcceptAny", get("/v1/bridges", host + "Accept: */*\r\n"), 200, "", false},
      {"AcceptJson", get("/v1/bridges", host + "Accept: text/html, application/json;q=0.1\r\n"), 200, "", false},
      {"AcceptOther", get("/v1/bridges", host + "Accept: text/html\r\n"), 406, "not-acceptable", false},
      {"AcceptJsonExcluded", get("/v1/bridges", host + "Accept: application/json;q=0, */*\r\n"), 406, "not-acceptable", false},
      {"AcceptNothing", get("/v1/bridges", host + "Accept: \r\n"), 406, "not-acceptable", false},
      {"GetWithBody", get("/v1/bridges", host + json + "Content-Length: 2\r\n") + "{}", 400, "malformed", false},
      {"GetWithLengthZero", get("/v1/bridges", host + "Content-Length: 0\r\n"), 200, "", false},
      {"DeleteWithBody", "DELETE /v1/bridges/br0 HTTP/1.1\r\n" + host + json + "Content-Length: 2\r\n\r\n{}", 400, "malformed", false},
      {"IfMatchMalformed", sized("{}", json + "If-Match: 3\r\n"), 400, "malformed", false},
      {"IfMatchOpen", sized("{}", json + "If-Match: \"3\r\n"), 400, "malformed", false},
      {"IfNoneMatchOther", sized("{}", json + "If-None-Match: \"3\"\r\n"), 400, "malformed", false},
      {"BothConditions", sized("{}", json + "If-None-Match: *\r\nIf-Match: *\r\n"), 400, "malformed", false},
      {"DryRunText", "PUT /v1/bridges/br0?dry_run=perhaps HTTP/1.1\r\n" + host + json + "Content-Length: 2\r\n\r\n{}", 400, "bad-query", false},
      {"InternalError", get("/v1/bridges/explode"), 500, "internal", false},
      {"RefusedWithUnreadBody", "PUT /v1/nothing HTTP/1.1\r\n" + host + "Content-Length: 5000000\r\n\r\n", 404, "not-found", true},
  };
}

class RawRequests : public testing::TestWithParam<Case> {};

TEST_P(RawRequests, AreAnswered) {
  const Case& test = GetParam();
  RunningServer running;
  Client client{running.path()};
  client.send(test.bytes);
  const auto response = client.receive();
  ASSERT_EQ(response.status, test.status) << response.body;
  EXPECT_EQ(response.code(), test.code) << response.body;
  EXPECT_NE(response.header("x-request-id"), "");
  if (test.status >= 400) {
    EXPECT_EQ(response.json().value("request_id", ""), response.header("x-request-id"));
    EXPECT_EQ(response.json().value("status", 0), test.status);
  }
  if (test.closes) {
    EXPECT_EQ(response.header("connection"), "close");
    client.finish_sending();
    EXPECT_TRUE(client.closed());
  } else {
    // The connection is where a client thinks it is: the next request is read as such.
    EXPECT_EQ(client.call("GET", "/healthz").status, 200);
  }
}

// The same bytes one at a time: nothing may depend on how they are cut into packets.
TEST_P(RawRequests, AreAnsweredByteByByte) {
  const Case& test = GetParam();
  RunningServer running;
  Client client{running.path()};
  for (const char c : test.bytes)
    if (!client.send({&c, 1})) break;
  const auto response = client.receive();
  EXPECT_EQ(response.status, test.status) << response.body;
  EXPECT_EQ(response.code(), test.code);
}

const auto name_of_case = [](const auto& info) { return std::string{info.param.name}; };
INSTANTIATE_TEST_SUITE_P(Framing, RawRequests, testing::ValuesIn(framing_cases()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Head, RawRequests, testing::ValuesIn(head_cases()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Target, RawRequests, testing::ValuesIn(target_cases()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Body, RawRequests, testing::ValuesIn(body_cases()), name_of_case);

}  // namespace
}  // namespace sovirt::test
