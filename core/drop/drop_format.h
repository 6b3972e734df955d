/* The records of a message handed in while the daemon is not there (veredus-drop(8)): one rule book for the program that writes the
 * file and the daemon that reads it. A record is a letter, the length of its octets in decimal, ':', the octets, LF. Plain C, no
 * memory of its own, no I/O. */
#ifndef VEREDUS_DROP_FORMAT_H
#define VEREDUS_DROP_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  VDROP_LONGEST = 65536,      /* octets of one record */
  VDROP_LONGEST_HEAD = 8,     /* letter, at most six digits, colon */
  VDROP_RECIPIENTS = 10000,
};
#define VDROP_CONTENT UINT64_C(209715200)

/* Letters, in this order: V, then the envelope in any order, then M any number of times, then Z. */
enum {
  VDROP_VERSION = 'V',   /* "1" */
  VDROP_SENDER = 'F',    /* once; empty: the null sender */
  VDROP_RECIPIENT = 'R', /* at least once */
  VDROP_NAME = 'N',      /* full name of the user */
  VDROP_BODY = 'B',      /* 7BIT or 8BITMIME */
  VDROP_ENVID = 'E',     /* as xtext */
  VDROP_RETURN = 'D',    /* FULL or HDRS */
  VDROP_NOTIFY = 'Y',    /* NEVER, or a list of SUCCESS FAILURE DELAY */
  VDROP_GATEWAY = 'G',   /* empty: the header is left as it is */
  VDROP_QUEUE = 'Q',     /* empty: the first attempt waits */
  VDROP_CWD = 'C',       /* directory the user was in */
  VDROP_SCRIPT = 'S',    /* script that sent it */
  VDROP_ID = 'I',        /* the daemon may have stored it already, under this id */
  VDROP_CONTENT_PIECE = 'M',
  VDROP_END = 'Z',       /* empty */
};

struct vdrop_checker {
  uint32_t seen;       /* letters so far, bit by bit */
  uint32_t recipients;
  uint64_t content;
};

/* The head of a record at the start of `text`: its size; 0: more octets are needed; -1: there is none. */
int vdrop_head(const char* text, size_t have, char* letter, size_t* length);
/* Is this record allowed here? NULL: yes; else what is wrong, for people. */
const char* vdrop_check(struct vdrop_checker* checker, char letter, const char* octets, size_t length);
/* Has all been there? */
int vdrop_complete(const struct vdrop_checker* checker);

#ifdef __cplusplus
}
#endif

#endif
