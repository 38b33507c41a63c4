/* The load generator: publishers and readers of one server in one thread, cheap enough to share the machine with it. Built by
 * build.ts; it talks to 127.0.0.1 only and prints one JSON object.
 *
 *   load publish --port N --targets FILE --body FILE --publishers P [--rate N] --seconds S
 *   load readers --port N --targets FILE --readers R [--body FILE --publishers P …] [--expect N | --hold 1] --seconds S
 *
 * A target is a line `publish path <TAB> header <TAB> read path`; each gets R readers. A publish is a POST unless the path has another
 * method before it, as in `PUT /path`. Every `ts=` in the body is filled with the time
 * at which the message was due. Without --rate a publisher sends its next message once its last has been answered, and all together
 * stay at most --window messages ahead of the readers. */
#include "sse_scan.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CONNECTING_MOST 200
#define RECEIVE_BYTES 262144
#define GRACE_NS 5000000000u

typedef struct {
  char *publish, *header, *read;
  uint64_t sent, answered;
} Target;

typedef struct {
  int fd, target;
  enum { READER, PUBLISHER } kind;
  enum { NEW, OPENING, IDLE, BUSY, STALLED, GONE } state;
  Stream in;
  char *out; /* a publisher's request */
  size_t out_bytes, out_sent;
  uint64_t sent_at;
} Connection;

static struct { int port, publishers, readers, stalled, window, rate, expect, hold; double seconds, warmup; } want = {.window = 256};
static Target *targets;
static int target_count, poller;
static char *body, *received, trouble[300];
static size_t body_bytes;
static Connection *readers, *publishers;
static int reader_count, reader_next, connecting, open_readers, live_readers;
static int *idle, idle_count;
static uint64_t delivered, expected, answered, errors, dropped, last_finished;
static uint64_t begin, warm, end, due;
static Latencies deliveries, answers;

static void fail(const char *words) {
  perror(words);
  exit(1);
}

static char *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) fail(path);
  char *text = malloc(1 << 24);
  *length = fread(text, 1, (1 << 24) - 1, file);
  text[*length] = 0;
  fclose(file);
  return text;
}

static void read_targets(const char *path) {
  size_t length;
  targets = calloc(200000, sizeof *targets);
  for (char *line, *text = read_file(path, &length); (line = strsep(&text, "\n")) && *line; target_count++)
    targets[target_count] = (Target){strsep(&line, "\t"), strsep(&line, "\t"), strsep(&line, "\t"), 0, 0};
}

static void watch(Connection *c, uint32_t events, int how) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(poller, how, c->fd, &event) < 0) fail("epoll_ctl");
}

static void open_connection(Connection *c) {
  static uint32_t opened;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) fail("socket");
  int on = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  /* Several addresses of our own, since one has too few ports for tens of thousands. */
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + opened++ % 8)};
  setsockopt(c->fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &on, sizeof on);
  /* The system would take megabytes for one that reads nothing, before its server notices. */
  int little = 65536;
  if (c->kind == READER && c - readers < want.stalled) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
  if (bind(c->fd, (struct sockaddr *)&at, sizeof at) < 0) fail("bind");
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons((uint16_t)want.port);
  if (connect(c->fd, (struct sockaddr *)&at, sizeof at) < 0 && errno != EINPROGRESS) fail("connect");
  c->state = OPENING;
  c->in.phase = HEAD;
  connecting++;
  watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

static void open_readers_in_turn(void) {
  while (reader_next < reader_count && connecting < CONNECTING_MOST) open_connection(&readers[reader_next++]);
}

static void note(const char *text, size_t length) {
  errors++;
  if (trouble[0]) return;
  for (size_t i = 0; i < length && i < sizeof trouble - 1; i++)
    trouble[i] = text[i] < ' ' || text[i] == '"' || text[i] == '\\' ? ' ' : text[i];
}

static void flush_request(Connection *c) {
  while (c->out_sent < c->out_bytes) {
    ssize_t n = send(c->fd, c->out + c->out_sent, c->out_bytes - c->out_sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    if (n < 0) return;
    c->out_sent += (size_t)n;
  }
}

static void publish(Connection *c, uint64_t stamp) {
  static uint64_t random = 88172645463325252u;
  random ^= random << 13, random ^= random >> 7, random ^= random << 17;
  c->target = (int)(random % (uint64_t)target_count);
  Target *t = &targets[c->target];
  if (!c->out) c->out = malloc(body_bytes + 1024);
  int head = snprintf(c->out, 1024, "%s%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%sContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                      *t->publish == '/' ? "POST " : "", t->publish, want.port, t->header, *t->header ? "\r\n" : "", body_bytes);
  char *at = c->out + head, digits[STAMP_DIGITS + 1];
  memcpy(at, body, body_bytes);
  snprintf(digits, sizeof digits, "%0*llu", STAMP_DIGITS, (unsigned long long)stamp);
  for (char *found = at; (found = memmem(found, body_bytes - (size_t)(found - at), "ts=", 3)); found += STAMP_DIGITS)
    memcpy(found + 3, digits, STAMP_DIGITS);
  c->out_bytes = (size_t)head + body_bytes;
  c->out_sent = 0;
  c->in.phase = HEAD;
  c->in.kept_bytes = 0;
  c->state = BUSY;
  c->sent_at = stamp;
  t->sent++;
  expected += (uint64_t)(target_count == 1 ? live_readers : want.readers);
  flush_request(c);
}

/* Whether more may be sent: the readers are at most a window behind. */
static int may_publish(void) {
  if (!live_readers) return 1;
  return expected < delivered + (uint64_t)want.window * (uint64_t)live_readers / (uint64_t)target_count;
}

static void publish_what_is_due(uint64_t now) {
  if (!begin || now >= end) return;
  if (!want.rate)
    while (idle_count && may_publish()) publish(&publishers[idle[--idle_count]], now);
  for (; want.rate && due <= now && idle_count; due += 1000000000u / (uint64_t)want.rate) publish(&publishers[idle[--idle_count]], due);
}

static void be_idle(Connection *c) {
  c->state = IDLE;
  idle[idle_count++] = (int)(c - publishers);
}

/* Whether the answer is whole: by Content-Length, or by the last chunk. */
static int is_answered(Stream *s) {
  char *head_end = memmem(s->kept, s->kept_bytes, "\r\n\r\n", 4);
  if (!head_end) return 0;
  keep(s, "", 1);
  s->kept_bytes--;
  char *length = strcasestr(s->kept, "\r\ncontent-length:");
  size_t have = s->kept_bytes - (size_t)(head_end + 4 - s->kept);
  if (length && length < head_end) return have >= (size_t)atol(length + 17);
  return have >= 5 && memcmp(s->kept + s->kept_bytes - 5, "0\r\n\r\n", 5) == 0;
}

/* What was answered instead of 2xx: the body, which says why. */
static void note_answer(const Stream *s) {
  const char *body = memmem(s->kept, s->kept_bytes, "\r\n\r\n", 4) + 4;
  note(body, s->kept_bytes - (size_t)(body - s->kept));
}

static void take_answer(Connection *c, ssize_t n, uint64_t now) {
  if (n <= 0) {
    if (c->state == BUSY) note("connection closed while publishing", 34);
    if (c->state == OPENING) connecting--, note("a publisher was closed before it could send", 43);
    close(c->fd);
    for (int i = 0; i < idle_count; i++)
      if (idle[i] == c - publishers) idle[i] = idle[--idle_count];
    open_connection(c);
    return;
  }
  keep(&c->in, received, (size_t)n);
  if (!is_answered(&c->in)) return;
  if (c->in.kept[9] == '2') {
    targets[c->target].answered++;
    if (now >= warm && now < end) {
      answered++;
      count_latency(&answers, now - c->sent_at);
    }
  } else
    note_answer(&c->in);
  be_idle(c);
}

static void drop_reader(Connection *c) {
  if (c->state == OPENING) note("a reader was closed before its head", 35);
  dropped++;
  if (c->state == IDLE) live_readers--, expected -= targets[c->target].sent - c->in.messages;
  close(c->fd);
  c->state = GONE;
}

static void take_stream(Connection *c, ssize_t n, uint64_t now) {
  uint32_t before = c->in.messages;
  if (n <= 0) return drop_reader(c);
  int was_head = c->in.phase == HEAD;
  take_bytes(&c->in, received, (size_t)n, begin ? &deliveries : NULL, warm, now);
  if (was_head && c->in.phase != HEAD) {
    if (c->in.status != 200) note(received, (size_t)n);
    connecting--, open_readers++, live_readers++;
    c->state = IDLE;
    open_readers_in_turn();
  }
  delivered += c->in.messages - before;
  if (want.expect && before < (uint32_t)want.expect && c->in.messages >= (uint32_t)want.expect) last_finished = now, open_readers--;
}

static void be_open(Connection *c) {
  watch(c, EPOLLIN, EPOLL_CTL_MOD);
  if (c->state == OPENING && c->kind == PUBLISHER) {
    connecting--;
    be_idle(c);
  } else if (c->kind == PUBLISHER)
    flush_request(c);
  else
    dprintf(c->fd, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: text/event-stream\r\n\r\n", targets[c->target].read, want.port);
}

/* Handles what happens until `until`, or at the next event when it is due. */
static void turn(uint64_t until) {
  struct epoll_event events[512];
  uint64_t now = now_ns(), next = want.rate && begin && idle_count && due < until ? due : until;
  struct timespec rest = {0, 0};
  if (next > now) rest = (struct timespec){(time_t)((next - now) / 1000000000u), (long)((next - now) % 1000000000u)};
  int n = epoll_pwait2(poller, events, 512, &rest, NULL);
  for (int i = 0; i < n; i++) {
    Connection *c = events[i].data.ptr;
    if (c->state == GONE) continue;
    if (events[i].events & EPOLLOUT) be_open(c);
    if (!(events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) continue;
    ssize_t size = recv(c->fd, received, RECEIVE_BYTES, 0);
    if (size < 0 && errno == EAGAIN) continue;
    now = now_ns();
    if (c->kind == READER) take_stream(c, size, now);
    else take_answer(c, size, now);
  }
  publish_what_is_due(now_ns());
}

#include "load_report.h"
