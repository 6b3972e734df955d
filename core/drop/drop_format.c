/* Rules for records of the drop directory. No memory, no I/O. */
#include "drop_format.h"

#include <string.h>

struct row {
  char letter;
  uint32_t longest;
  const char* values; /* "|A|B|": one of these; NULL: anything printable */
};

static const struct row rows[] = {
    {VDROP_VERSION, 1, "|1|"},     {VDROP_SENDER, 1000, NULL},    {VDROP_RECIPIENT, 1000, NULL}, {VDROP_NAME, 256, NULL},
    {VDROP_BODY, 8, "|7BIT|8BITMIME|"}, {VDROP_ENVID, 100, NULL}, {VDROP_RETURN, 4, "|FULL|HDRS|"}, {VDROP_NOTIFY, 40, NULL},
    {VDROP_GATEWAY, 0, NULL},      {VDROP_QUEUE, 0, NULL},        {VDROP_CWD, 1024, NULL},       {VDROP_SCRIPT, 1024, NULL},    {VDROP_ID, 32, NULL},
    {VDROP_CONTENT_PIECE, VDROP_LONGEST, NULL}, {VDROP_END, 0, NULL},
};

static const struct row* find_row(char letter) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i)
    if (rows[i].letter == letter) return &rows[i];
  return NULL;
}

static uint32_t bit_of(char letter) { return UINT32_C(1) << (letter - 'A'); }
static int seen(const struct vdrop_checker* checker, char letter) { return (checker->seen & bit_of(letter)) != 0; }

int vdrop_head(const char* text, size_t have, char* letter, size_t* length) {
  size_t at = 1, value = 0;
  if (have == 0) return 0;
  if (text[0] < 'A' || text[0] > 'Z') return -1;
  for (; at < have && at < VDROP_LONGEST_HEAD && text[at] >= '0' && text[at] <= '9'; ++at) value = value * 10 + (size_t)(text[at] - '0');
  if (at == VDROP_LONGEST_HEAD) return -1;
  if (at == have) return 0;
  if (text[at] != ':' || at == 1 || (text[1] == '0' && at > 2) || value > VDROP_LONGEST) return -1;
  *letter = text[0];
  *length = value;
  return (int)at + 1;
}

/* Nothing of an envelope may hold a control: no line end, no NUL can get into a command, a record or a log. */
static int is_clean(const char* octets, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    unsigned char c = (unsigned char)octets[i];
    if (c < 0x20 || c == 0x7F) return 0;
  }
  return 1;
}

static int is_one_of(const char* values, const char* octets, size_t length) {
  for (const char* at = values; at[1] != 0; at = strchr(at + 1, '|'))
    if (strncmp(at + 1, octets, length) == 0 && at[1 + length] == '|') return 1;
  return 0;
}

static const char* check_place(struct vdrop_checker* checker, char letter) {
  if (!seen(checker, VDROP_VERSION) && letter != VDROP_VERSION) return "the version does not come first";
  if (seen(checker, VDROP_END)) return "something follows the end";
  int repeats = letter == VDROP_RECIPIENT || letter == VDROP_CONTENT_PIECE;
  if (!repeats && seen(checker, letter)) return "a record comes twice";
  if (letter == VDROP_CONTENT_PIECE || letter == VDROP_END) {
    if (!seen(checker, VDROP_SENDER)) return "there is no sender";
    return seen(checker, VDROP_RECIPIENT) ? NULL : "there is no recipient";
  }
  return seen(checker, VDROP_CONTENT_PIECE) ? "the envelope goes on behind the content" : NULL;
}

const char* vdrop_check(struct vdrop_checker* checker, char letter, const char* octets, size_t length) {
  const struct row* row = find_row(letter);
  if (!row) return "there is no such record";
  if (length > row->longest) return "a record is too long";
  const char* problem = check_place(checker, letter);
  if (problem) return problem;
  if (letter == VDROP_CONTENT_PIECE) {
    if (memchr(octets, 0, length)) return "the content holds a NUL octet";
    checker->content += length;
    if (checker->content > VDROP_CONTENT) return "the content is too large";
  } else if (!is_clean(octets, length)) {
    return "a record of the envelope holds a control character";
  }
  if (row->values && !is_one_of(row->values, octets, length)) return "a record has an unknown value";
  if (letter == VDROP_RECIPIENT && (length == 0 || ++checker->recipients > VDROP_RECIPIENTS))
    return length == 0 ? "a recipient is empty" : "there are too many recipients";
  checker->seen |= bit_of(letter);
  return NULL;
}

int vdrop_complete(const struct vdrop_checker* checker) { return seen(checker, VDROP_END); }
