// Rates as they are written, and the buckets made of them.
#include "bucket.hpp"

#include <doctest/doctest.h>

using namespace ratelimit;

TEST_CASE("rates as they are written") {
  CHECK(rate_of("100/1h").count == 100);
  CHECK(rate_of("100/1h").period_ms == 3'600'000);
  CHECK(rate_of("1/s").period_ms == 1'000);
  CHECK(rate_of("50MiB/2d").count == 50 << 20);
  CHECK(rate_of("50MiB/2d").period_ms == 2 * 86'400'000);
  CHECK(rate_of("1/366d").count == 1);
  for (const char* bad : {"", "100", "/1h", "x/1h", "100/", "100/1", "100/1w", "0/1h", "-1/1h", "100/0h", "1/367d", "10MB/1h", "99999999999999999999/1h", "2049GiB/1h", "1/99999999999999999999d", "1 /1h"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(rate_of(bad), std::invalid_argument);
  }
}

TEST_CASE("buckets keep slow and fast rates to a per mille") {
  for (const char* text : {"1/1d", "1/366d", "100/1h", "1/s", "1000/1s", "50MiB/1h", "1024GiB/1s"}) {
    CAPTURE(text);
    const Rate rate = rate_of(text);
    const Bucket bucket(rate, rate.count);
    const double wanted = static_cast<double>(rate.count) / static_cast<double>(rate.period_ms) * 1000;
    const double kept = static_cast<double>(bucket.per_second) / 1000 / static_cast<double>(bucket.scale);
    CHECK(kept == doctest::Approx(wanted).epsilon(0.001));
    CHECK(bucket.capacity == rate.count * bucket.scale);
    CHECK(bucket.capacity < INT64_MAX / 1'000'000);
  }
}

TEST_CASE("what is larger than the bucket takes all of it") {
  const Bucket bucket(rate_of("100/1h"), 10);
  CHECK(bucket.tokens(1) == bucket.scale);
  CHECK(bucket.tokens(10) == bucket.capacity);
  CHECK(bucket.tokens(INT64_MAX) == bucket.capacity);
}
