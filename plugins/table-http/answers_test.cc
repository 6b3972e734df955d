// Tests of requests, responses and the cache.
#include "answers.h"
#include "cache.h"

#include <doctest/doctest.h>

using namespace table_http;

TEST_CASE("keys cannot leave their place in the url or the body") {
  CHECK(filled("http://a/{key}?x={key}", "a b/../%?&#\n", url_encoded) == "http://a/a%20b%2F..%2F%25%3F%26%23%0A?x=a%20b%2F..%2F%25%3F%26%23%0A");
  CHECK(filled("{\"k\": \"{key}\"}", "\"}, \"admin\": true, \\", json_escaped) == "{\"k\": \"\\\"}, \\\"admin\\\": true, \\\\\"}");
  CHECK(filled("{key}", "{key}", url_encoded) == "%7Bkey%7D");
  CHECK(json_escaped("\xff") == "\xef\xbf\xbd");
}

TEST_CASE("responses") {
  Reading reading{{200, 201}, {404}, "/user/dest"};
  CHECK(read_response(reading, 200, R"({"user":{"dest":"smtp://a"}})").value == "smtp://a");
  CHECK(read_response(reading, 201, R"({"user":{"dest":["a",2,true]}})").value == "a,2,true");
  CHECK_FALSE(read_response(reading, 404, "whatever").value);
  CHECK(read_response(reading, 404, "whatever").problem.empty());
  CHECK_FALSE(read_response(reading, 200, R"({"user":{"dest":null}})").value);
  CHECK_FALSE(read_response(reading, 200, R"({"user":7})").value);
  CHECK(read_response(reading, 200, R"({"user":7})").problem.empty());
  CHECK(read_response(reading, 500, "{}").problem == "status 500");
  CHECK(read_response(reading, 200, "<html>").problem == "the response is not JSON");
  CHECK(read_response(reading, 200, R"({"user":{"dest":{"a":1}}})").problem == "the value is an object");
  CHECK(read_response(reading, 200, R"({"user":{"dest":[[]]}})").problem == "the value is a list of something else than texts");
  reading.pointer.clear();
  CHECK(read_response(reading, 200, " plain \n").value == "plain");
}

TEST_CASE("the cache is bounded, and what was asked for last stays") {
  Cache cache(2);
  cache.put("a", {"1", 1, 2});
  cache.put("b", {std::nullopt, 1, 2});
  CHECK(cache.find("a")->value == "1");
  cache.put("c", {"3", 1, 2});
  CHECK(cache.size() == 2);
  CHECK_FALSE(cache.find("b"));
  CHECK(cache.find("a"));
  cache.put("a", {"4", 5, 6});
  CHECK(cache.find("a")->value == "4");
  Cache none(0);
  none.put("a", {"1", 1, 2});
  CHECK_FALSE(none.find("a"));
}
