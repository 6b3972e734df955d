// The four kinds of tables, each made from the text of a file. `error`: "LINE: what is wrong".
#pragma once

#include "table.h"

namespace table {

std::shared_ptr<Table> make_hash(const Options& options, std::string_view text, std::string& error);
std::shared_ptr<Table> make_domain(const Options& options, std::string_view text, std::string& error);
std::shared_ptr<Table> make_cidr(const Options& options, std::string_view text, std::string& error);
std::shared_ptr<Table> make_regex(const Options& options, std::string_view text, std::string& error);

}  // namespace table
