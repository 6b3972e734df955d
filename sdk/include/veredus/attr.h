/* Attributes: what can be known of a session, a message, a recipient, a delivery. One table for plugins, the script engine, the log and
 * the manual. Ids and names are stable. Read with core.message attr(). An attribute that is not known at a stage has the kind VRD_NONE.
 *
 * X(ID, number, name, kind, first stage, per recipient, documentation) */
#ifndef VEREDUS_ATTR_H
#define VEREDUS_ATTR_H

#include <veredus/stage.h>
#include <veredus/types.h>

#define VRD_ATTRS(X)                                                                                                                  \
  X(SESSION, 1, "session", NUMBER, CONNECT, 0, "number of the session, unique while the daemon runs; 0 when no client brought it")    \
  X(CLIENT_ADDRESS, 10, "client.address", TEXT, CONNECT, 0, "address of the client, after PROXY or XCLIENT")                          \
  X(CLIENT_PORT, 11, "client.port", NUMBER, CONNECT, 0, "port of the client")                                                         \
  X(CLIENT_NAME, 12, "client.name", TEXT, CONNECT, 0, "verified PTR name of the client, if asked for")                                \
  X(LISTENER_ADDRESS, 20, "listener.address", TEXT, CONNECT, 0, "address of the listener: 127.0.0.1:2525")                            \
  X(LISTENER_ROLE, 21, "listener.role", TEXT, CONNECT, 0, "mx, submission, relay, lmtp or local; on loops")                                  \
  X(PROTOCOL, 22, "protocol", TEXT, HELO, 0, "SMTP, ESMTP, LMTP, local or internal")                                                  \
  X(HELO, 30, "helo", TEXT, HELO, 0, "name that the client gave")                                                                     \
  X(TLS_VERSION, 40, "tls.version", TEXT, TLS_DONE, 0, "TLS1.3; none when clear")                                                     \
  X(TLS_CIPHER, 41, "tls.cipher", TEXT, TLS_DONE, 0, "name of the cipher suite")                                                      \
  X(TLS_PEER, 42, "tls.peer", TEXT, TLS_DONE, 0, "subject of the client's verified certificate")                                      \
  X(TLS_FINGERPRINT, 43, "tls.fingerprint", TEXT, TLS_DONE, 0, "SHA-256 of the client's certificate, lower-case hex")                 \
  X(TLS_SNI, 44, "tls.sni", TEXT, STARTTLS, 0, "server name that the client asked for")                                               \
  X(AUTH_ACCOUNT, 50, "auth.account", TEXT, AUTH, 0, "authenticated account")                                                         \
  X(AUTH_MECHANISM, 51, "auth.mechanism", TEXT, AUTH, 0, "SASL mechanism")                                                            \
  X(MESSAGE_ID, 60, "message.id", TEXT, MAIL, 0, "queue id")                                                                          \
  X(MESSAGE_ARRIVED, 61, "message.arrived", TIME, MAIL, 0, "when MAIL came")                                                          \
  X(MESSAGE_SIZE, 62, "message.size", NUMBER, MESSAGE, 0, "octets, trace fields included")                                            \
  X(MESSAGE_8BIT, 63, "message.8bit", BOOL, MESSAGE, 0, "the body has octets above 127")                                              \
  X(HEADER_8BIT, 64, "header.8bit", BOOL, MESSAGE, 0, "the header block has octets above 127")                                        \
  X(MESSAGE_HELD, 65, "message.held", BOOL, MESSAGE, 0, "stored on hold")                                                             \
  X(SENDER, 70, "sender", TEXT, MAIL, 0, "envelope sender without brackets; empty: the null sender")                                  \
  X(SENDER_LOCAL, 71, "sender.local", TEXT, MAIL, 0, "its local part")                                                                \
  X(SENDER_DOMAIN, 72, "sender.domain", TEXT, MAIL, 0, "its domain in lower case")                                                    \
  X(ENVELOPE_BODY, 73, "envelope.body", TEXT, MAIL, 0, "BODY= as declared: 7BIT or 8BITMIME")                                         \
  X(ENVELOPE_SMTPUTF8, 74, "envelope.smtputf8", BOOL, MAIL, 0, "SMTPUTF8 was declared")                                               \
  X(ENVELOPE_REQUIRETLS, 75, "envelope.requiretls", BOOL, MAIL, 0, "REQUIRETLS was declared")                                         \
  X(ENVELOPE_RET, 76, "envelope.ret", TEXT, MAIL, 0, "RET=: FULL or HDRS; none when not given")                                       \
  X(ENVELOPE_ENVID, 77, "envelope.envid", TEXT, MAIL, 0, "ENVID=, decoded")                                                           \
  X(ENVELOPE_SIZE, 78, "envelope.size", NUMBER, MAIL, 0, "SIZE= as declared; none when not given")                                    \
  X(TENANT, 80, "tenant", TEXT, CONNECT, 0, "tenant, for fairness and limits")                                                        \
  X(STREAM, 81, "stream", TEXT, CONNECT, 0, "stream within the tenant")                                                               \
  X(POOL, 82, "pool", TEXT, CONNECT, 0, "source pool")                                                                                \
  X(PRIORITY, 83, "priority", NUMBER, CONNECT, 0, "0 last, 100 first")                                                                \
  X(RECIPIENT_COUNT, 90, "recipient.count", NUMBER, MAIL, 0, "recipients accepted so far")                                            \
  X(RECIPIENT_INDEX, 91, "recipient.index", NUMBER, RCPT, 0, "position of the recipient that the stage is about, from 0")             \
  X(RECIPIENT, 92, "recipient", TEXT, RCPT, 1, "address it goes to")                                                                  \
  X(RECIPIENT_LOCAL, 93, "recipient.local", TEXT, RCPT, 1, "its local part")                                                          \
  X(RECIPIENT_DOMAIN, 94, "recipient.domain", TEXT, RCPT, 1, "its domain in lower case")                                              \
  X(RECIPIENT_ORIGINAL, 95, "recipient.original", TEXT, RCPT, 1, "as the client gave it, when rewritten")                             \
  X(RECIPIENT_ORCPT, 96, "recipient.orcpt", TEXT, RCPT, 1, "ORCPT=, decoded")                                                         \
  X(RECIPIENT_NOTIFY, 97, "recipient.notify", TEXT, RCPT, 1, "NOTIFY=: NEVER, or of SUCCESS,FAILURE,DELAY")                           \
  X(RECIPIENT_NEXT_HOP, 98, "recipient.next_hop", TEXT, RCPT, 1, "next hop chosen by a hook")                                         \
  X(DESTINATION, 110, "destination", TEXT, ATTEMPT, 0, "name of the destination")                                                     \
  X(ATTEMPTS, 111, "attempts", NUMBER, ATTEMPT, 0, "delivery attempts before this one")                                               \
  X(REMOTE, 112, "remote", TEXT, RESULT, 0, "next hop that answered: name [address]:port")                                            \
  X(REMOTE_HOST, 113, "remote.host", TEXT, CONNECTED, 0, "name of the next hop connected to")                                          \
  X(REMOTE_ADDRESS, 114, "remote.address", TEXT, CONNECTED, 0, "its address")                                                         \
  X(SOURCE_ADDRESS, 115, "source.address", TEXT, CONNECTED, 0, "our address towards it")                                              \
  X(REPLY_CODE, 120, "reply.code", NUMBER, RESULT, 0, "reply code of the next hop")                                                   \
  X(REPLY_ENHANCED, 121, "reply.enhanced", TEXT, RESULT, 0, "enhanced status of it: 5.1.1")                                           \
  X(REPLY_TEXT, 122, "reply.text", TEXT, RESULT, 0, "text of it, lines joined by a space")                                            \
  X(FINAL_STATE, 130, "final.state", TEXT, FINISHED, 0, "delivered, bounced, expired, discarded or removed")                          \
  X(POLICY_LEVEL, 140, "policy.level", TEXT, CONNECTED, 0, "level in force: none, opportunistic, encrypt, verify, dane, dane-only, mta-sts") \
  X(POLICY_TYPE, 141, "policy.type", TEXT, CONNECTED, 0, "tlsa, sts or no-policy-found (RFC 8460)")                                   \
  X(POLICY_DOMAIN, 142, "policy.domain", TEXT, CONNECTED, 0, "domain that the policy is of")                                          \
  X(POLICY_TEXT, 143, "policy.text", TEXT, CONNECTED, 0, "TLSA records or the MTA-STS policy, a line each")                           \
  X(POLICY_MX, 144, "policy.mx", TEXT, CONNECTED, 0, "patterns of mail exchangers of an MTA-STS policy, a line each")                 \
  X(TLS_RESULT, 145, "tls.result", TEXT, CONNECTED, 0, "success, or a result type of RFC 8460 4.3; none where TLS was not wanted")    \
  X(TLS_PROBLEM, 146, "tls.problem", TEXT, CONNECTED, 0, "the failure in a sentence")                                                 \
  X(TLS_OUTBOUND, 147, "tls.outbound", TEXT, CONNECTED, 0, "protocol version and cipher towards the next hop; none when clear")

#ifdef __cplusplus
#define VRD_ATTR_CONSTANT(id, number, name, kind, stage, per_recipient, doc) constexpr uint32_t VRD_ATTR_##id = number;
#else
#define VRD_ATTR_CONSTANT(id, number, name, kind, stage, per_recipient, doc) enum { VRD_ATTR_##id = number };
#endif
VRD_ATTRS(VRD_ATTR_CONSTANT)

#endif
