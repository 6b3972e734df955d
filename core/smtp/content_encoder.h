// ContentEncoder: message octets as they go over the wire, as views of the original. Stuffs dots for DATA; a CR or LF that stands alone
// becomes a space, for the content's size must hold and no line may end where the sender saw none. Such octets are refused on input, so
// none is expected. Belongs to one transaction.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace veredus {

class ContentEncoder {
 public:
  explicit ContentEncoder(bool dotted) : dotted_(dotted) {}

  // Appends the views for the next piece and returns how much of it they cover: less than all when `views` has reached `most`.
  // The views refer to the piece and to constants.
  size_t encode(std::string_view piece, std::vector<std::string_view>& views, size_t most = 500);
  // What is left to say at the end: a CR held back, and for DATA the final dot.
  void finish(std::vector<std::string_view>& views);

 private:
  bool take_held(std::string_view piece, std::vector<std::string_view>& views);

  bool dotted_;
  bool line_start_ = true;
  bool held_cr_ = false;  // the last piece ended with CR; what follows decides
};

}  // namespace veredus
